# force_garbage_collection() and its like: what memory_responses says is what /proc and SQLite say.
import os

import support
from support import run

# A file in WAL mode with 8 MiB in it, and connections that have read all of it.
READERS = """
def resident():
    with open("/proc/self/smaps_rollup") as rollup:
        return next(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Rss:"))
for name in ("gc.db", "gc.db-wal", "gc.db-shm"):
    if os.path.exists(name):
        os.remove(name)
watch = connect()
writer = connect("gc.db")
writer.execute("PRAGMA journal_mode = WAL")
writer.execute("PRAGMA wal_autocheckpoint = 0")
fill(writer, rows=80000)
readers = [connect("gc.db") for number in range(8)]
for reader in readers:
    reader.execute("PRAGMA cache_size = -20000")
    check(one(reader, "SELECT count(*) FROM t WHERE y > ''") == 80000)
def steps(cause):
    rows = watch.execute("SELECT action, handled_count, skipped_count, freed_bytes, returned_bytes,"
                         "note FROM memory_responses WHERE cause = ? AND response_id ="
                         "(SELECT max(response_id) FROM memory_responses)", (cause,)).fetchall()
    return {row[0]: row[1:] for row in rows}
"""


def what_a_collection_returns_is_no_longer_resident():
    run(READERS + """
before = resident()
returned = one(watch, "SELECT force_garbage_collection()")
fell = before - resident()
step = steps("force_garbage_collection(3)")
check(returned > 30_000_000, returned)
check(fell >= 0.85 * returned, fell, returned)
check(list(step) == ["page_caches", "buffer_pool", "heap", "c_library", "wal_checkpoint"], step)
check(step["page_caches"][:2] == (10, 0), step)
check(step["page_caches"][2] > 30_000_000, step)
parts = step["page_caches"][3] + step["buffer_pool"][3] + step["heap"][3]
check(abs(parts - returned) < 1_000_000, parts, returned)
""", preload=True)


def a_collection_puts_the_wal_into_the_file():
    run(READERS + """
check(os.path.getsize("gc.db-wal") > 8_000_000)
check(os.path.getsize("gc.db") <= 4096)
one(watch, "SELECT force_garbage_collection(2)")
check("wal_checkpoint" not in steps("force_garbage_collection(2)"))
check(os.path.getsize("gc.db") <= 4096)
one(watch, "SELECT force_garbage_collection()")
handled, skipped, freed, returned, note = steps("force_garbage_collection(3)")["wal_checkpoint"]
frames, of = (int(word) for word in note.split() if word.isdigit())
check(handled == 1 and skipped == 0 and frames == of > 2000, handled, skipped, note)
check(os.path.getsize("gc.db") > 8_000_000)
check(one(readers[0], "PRAGMA integrity_check") == "ok")
""", preload=True)


def busy_connections_are_skipped_and_counted():
    run(READERS + """
readers[0].execute("BEGIN").execute("SELECT * FROM t").fetchone()
rows = readers[1].execute("SELECT * FROM t")
rows.fetchone()
writer.execute("BEGIN IMMEDIATE")
writer.execute("UPDATE t SET y = 'changed' WHERE x = 1")
used = [one(db, "SELECT cache_used_bytes FROM connection_memory WHERE connection_id ="
                "sqlitemem_connection_id()") for db in (readers[0], writer)]
one(watch, "SELECT force_garbage_collection()")
step = steps("force_garbage_collection(3)")
check(step["page_caches"][:2] == (7, 3), step)
check(step["wal_checkpoint"][1] == 3, step)
for db, before in zip((readers[0], writer), used):
    check(one(db, "SELECT cache_used_bytes FROM connection_memory WHERE connection_id ="
                  "sqlitemem_connection_id()") >= before)
writer.execute("ROLLBACK")
""", preload=True)


def a_checkpoint_leaves_the_message_of_a_failed_call():
    run(READERS + """
sqlite.sqlite3_open.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p)]
sqlite.sqlite3_exec.argtypes = [ctypes.c_void_p, ctypes.c_char_p] + [ctypes.c_void_p] * 3
library = ctypes.CDLL("libsqlite3.so.0")  # For what the preload library does not have.
library.sqlite3_errmsg.argtypes = library.sqlite3_close.argtypes = [ctypes.c_void_p]
library.sqlite3_errmsg.restype = ctypes.c_char_p
for db in readers + [writer]:
    db.close()
db = ctypes.c_void_p()
check(sqlite.sqlite3_open(b"gc.db", ctypes.byref(db)) == 0)
check(sqlite.sqlite3_exec(db, b"UPDATE t SET y = 'x' WHERE x < 5", None, None, None) == 0)
check(sqlite.sqlite3_exec(db, b"SELECT * FROM missing", None, None, None) == 1)
one(watch, "SELECT force_garbage_collection()")
check(library.sqlite3_errmsg(db) == b"no such table: missing", library.sqlite3_errmsg(db))
check(steps("force_garbage_collection(3)")["wal_checkpoint"][0] == 0)
check(sqlite.sqlite3_exec(db, b"SELECT * FROM t", None, None, None) == 0)
one(watch, "SELECT force_garbage_collection()")
check(steps("force_garbage_collection(3)")["wal_checkpoint"][0] == 1)
library.sqlite3_close(db)
""", preload=True)


def other_calls_are_written_down_too():
    run(READERS + """
freed = one(watch, "SELECT buffer_pool_evict(50)")
step = steps("buffer_pool_evict(50)")["buffer_pool"]
check(freed > 10_000_000 and step[0] * 4096 > 0.9 * freed, freed, step)
one(watch, "SELECT coalesce_all()")
check(list(steps("coalesce_all()")) == ["heap"])
for number in range(300):
    one(watch, "SELECT coalesce_all()")
check(one(watch, "SELECT count(*) FROM memory_responses") == 256)
""", preload=True)


def observing_reports_what_sqlite_counts():
    run(READERS + """
check(mode(watch).startswith("observing"), mode(watch))
released = one(watch, "SELECT force_garbage_collection()")
step = steps("force_garbage_collection(3)")
check(list(step) == ["page_caches", "c_library", "wal_checkpoint"], step)
check(step["page_caches"][2] == released > 10_000_000, released, step)
check(step["page_caches"][3] is None, step)
""", SQLITEMEM_ATTACH="never")


def a_child_has_a_log_of_its_own():
    run(READERS + """
one(watch, "SELECT coalesce_all()")
child = os.fork()
if child == 0:
    check(one(watch, "SELECT count(*) FROM memory_responses") == 0)
    one(watch, "SELECT coalesce_all()")
    check(one(watch, "SELECT max(response_id) FROM memory_responses") == 1)
    os._exit(0)
check(os.waitpid(child, 0)[1] == 0)
check(one(watch, "SELECT count(*) FROM memory_responses") == 1)
""", preload=True)


support.main([what_a_collection_returns_is_no_longer_resident,
              a_collection_puts_the_wal_into_the_file,
              busy_connections_are_skipped_and_counted,
              a_checkpoint_leaves_the_message_of_a_failed_call,
              other_calls_are_written_down_too,
              observing_reports_what_sqlite_counts,
              a_child_has_a_log_of_its_own])
