#!/usr/bin/env python3
# Loading the extension into a running Python: what goes on, what is refused, twice, and after a
# fork.
import os
import shutil

from support import BUILD, SCRATCH, main, run


def file_databases_wal_and_open_cursors_go_on():
    for name in ("main.db", "other.db"):
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(os.path.join(SCRATCH, name + suffix)):
                os.remove(os.path.join(SCRATCH, name + suffix))
    run("""
db = connect("main.db", load=False)
check(one(db, "PRAGMA journal_mode = WAL") == "wal")
db.execute("ATTACH 'other.db' AS other")
fill(db); fill(db, "other.u")
other = connect("main.db", load=False)
db.execute("BEGIN"); db.execute("UPDATE t SET y = 'new' WHERE x % 2")
cursor = db.execute("SELECT x, y FROM t ORDER BY y, x"); first = cursor.fetchone()
reader = other.execute("SELECT count(*) FROM t WHERE y = 'new'")
db.enable_load_extension(True); db.load_extension(EXTENSION)
check(mode(db).startswith("attached"), mode(db))
check(len(cursor.fetchall()) == 2999)
check(reader.fetchone()[0] == 0, "isolation")
db.execute("COMMIT")
check(one(other, "SELECT count(*) FROM t WHERE y = 'new'") == 1500)
db.execute("CREATE INDEX other.i ON u(y)")
for schema in ("main", "other"):
    check(one(db, f"PRAGMA {schema}.integrity_check") == "ok")
check(one(db, "SELECT count(*) FROM connection_memory()") == 1, "an older connection is not known")
later = connect("main.db", load=False)
check(one(later, "SELECT count(*) FROM connection_memory()") == 2)
check(one(db, "SELECT memory_heap_check()") == "ok")
db.close(); other.close(); later.close()
""")


def loading_again_is_harmless():
    copies = os.path.join(SCRATCH, "copy")
    os.makedirs(copies, exist_ok=True)
    shutil.copy(os.path.join(BUILD, "sqlitemem.so"), copies)
    run(f"""
db = connect(); before = mode(db)
db.load_extension(EXTENSION)
second = connect()
third = sqlite3.connect(":memory:"); third.enable_load_extension(True)
third.load_extension({os.path.join(copies, "sqlitemem")!r})
for each in (db, second, third):
    check(mode(each) == before and before.startswith("attached"), mode(each))
    check(one(each, "SELECT count(*) FROM connection_memory()") == 3, "one core")
with open("/proc/self/maps") as maps:
    text = maps.read()
check("copy/sqlitemem.so" in text, "the copy was loaded")
""")


def threads_forbid_it():
    run("""
event = threading.Event(); thread = threading.Thread(target=event.wait); thread.start()
db = connect(); text = mode(db); fill(db)
check(text.startswith("observing") and "2 threads" in text, text)
check(one(db, "SELECT count(*) FROM t") == 3000)
check(one(db, "SELECT count(*) FROM memory_stats()") > 0)
event.set(); thread.join()
""")


def the_option_forbids_it():
    output = run("print(mode(connect()))", SQLITEMEM_ATTACH="never")
    assert output.startswith("observing: The option attach"), output


def without_address_space_it_observes():
    run("""
import resource
used = int(open("/proc/self/statm").read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (used + (9 << 20), resource.RLIM_INFINITY))
db = connect(); text = mode(db)
check(text.startswith("observing") and "address space" in text, text)
fill(db); check(one(db, "SELECT count(*) FROM t") == 3000)
""")


def heap_limits_are_kept():
    run("""
db = connect(load=False)
db.execute("PRAGMA soft_heap_limit = 40000000"); db.execute("PRAGMA hard_heap_limit = 60000000")
db.enable_load_extension(True); db.load_extension(EXTENSION)
check(mode(db).startswith("attached"))
check(one(db, "PRAGMA soft_heap_limit") == 40000000)
check(one(db, "PRAGMA hard_heap_limit") == 60000000)
""")


def after_a_fork_both_go_on():
    run("""
db = connect("fork.db"); db.execute("DROP TABLE IF EXISTS t"); fill(db)
child = os.fork()
own = connect(); fill(own, rows=5000)
check(one(own, "SELECT count(*) FROM t") == 5000)
check(one(own, "SELECT memory_heap_check()") == "ok")
check(mode(own).startswith("attached"))
if child == 0:
    own.close()
    os._exit(0)
check(os.waitpid(child, 0)[1] == 0, "the child")
check(one(db, "SELECT count(*) FROM t") == 3000)
check(one(db, "PRAGMA integrity_check") == "ok")
""")


def closing_and_unloading_leaves_nothing():
    run("""
for _ in range(20):
    db = connect(); fill(db, rows=200); db.close()
db = connect()
check(one(db, "SELECT count(*) FROM connection_memory()") == 1)
handle = ctypes.CDLL(EXTENSION + ".so")
ctypes.CDLL(None).dlclose(ctypes.c_void_p(handle._handle))
fill(db); check(one(db, "SELECT memory_heap_check()") == "ok", "after dlclose")
""")


main([file_databases_wal_and_open_cursors_go_on, loading_again_is_harmless, threads_forbid_it,
      the_option_forbids_it, without_address_space_it_observes, heap_limits_are_kept,
      after_a_fork_both_go_on, closing_and_unloading_leaves_nothing])
