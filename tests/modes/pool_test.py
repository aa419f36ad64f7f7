# The buffer pool under an unmodified SQLite: same answers as stock in every journal mode and with
# every budget and policy; nothing is lost when a process is killed; closing gives memory back.
import os
import random
import shutil
import signal
import subprocess
import sys
import time

from support import PRELOAD, SCRATCH, main

PYTHON = "/usr/bin/python3"
os.chdir(SCRATCH)


def check(condition, *shown):
    if not condition:
        sys.exit(" ".join(["check failed:", *map(str, shown)]))

WORK = r'''
import random, sqlite3, sys
journal, path = sys.argv[1], sys.argv[2]
choose = random.Random(7)
one = sqlite3.connect(path, isolation_level=None)
print(one.execute("PRAGMA journal_mode=" + journal).fetchone()[0])
one.execute("PRAGMA cache_size=%d" % int(sys.argv[3]))
one.executescript("""
  CREATE TABLE t(id INTEGER PRIMARY KEY, k INT, v TEXT);
  CREATE INDEX tk ON t(k);
  CREATE VIRTUAL TABLE f USING fts5(body);
""")
words = ["page", "pool", "frame", "cache", "hit", "miss", "ghost", "queue"]
def text(): return " ".join(choose.choice(words) for _ in range(choose.randint(1, 60)))
two = sqlite3.connect(path, isolation_level=None, timeout=30)
for round in range(6):
    one.execute("BEGIN")
    for _ in range(400):
        one.execute("INSERT INTO t(k, v) VALUES(?, ?)", (choose.randint(0, 500), text()))
    one.execute("INSERT INTO f SELECT v FROM t ORDER BY id DESC LIMIT 100")
    one.execute("SAVEPOINT s")
    one.execute("UPDATE t SET v = v || 'x' WHERE id % 7 = ?", (round,))
    one.execute("ROLLBACK TO s" if round % 2 else "RELEASE s")
    one.execute("COMMIT" if round % 3 != 2 or journal == "off" else "ROLLBACK")
    print(two.execute("SELECT count(*), sum(length(v)), sum(k) FROM t").fetchone())
    print(two.execute("SELECT k, count(*) FROM t GROUP BY k ORDER BY 2 DESC, 1 LIMIT 5").fetchall())
    print(two.execute("SELECT count(*) FROM f WHERE f MATCH 'ghost'").fetchone())
    one.execute("DELETE FROM t WHERE id % 11 = ?", (round,))
    one.execute("PRAGMA shrink_memory")
print(one.execute("SELECT id, v FROM t ORDER BY v, id LIMIT 20").fetchall())
two.execute("ATTACH ':memory:' AS m")
two.execute("CREATE TABLE m.c AS SELECT * FROM t")
two.execute("CREATE TEMP TABLE c2 AS SELECT k, max(v) AS v FROM m.c GROUP BY k")
print(two.execute("SELECT sum(length(v)) FROM c2").fetchone())
two.close()
one.execute("VACUUM")
if journal in ("delete", "off"):
    one.execute("PRAGMA page_size=1024"); one.execute("VACUUM")
copy = sqlite3.connect(":memory:"); one.backup(copy)
print(copy.execute("SELECT count(*), sum(k) FROM t").fetchone())
print(one.execute("PRAGMA integrity_check").fetchall())
if sys.argv[4] == "managed":
    frames, used, budget = one.execute(
        "SELECT used_frames, used_bytes, budget_bytes FROM buffer_pool_stats()").fetchone()
    assert frames > 0, frames
    assert one.execute("SELECT memory_heap_check()").fetchone()[0] == "ok"
one.close()
'''


def run_work(journal, cache_size, environment, mode):
    path = os.path.abspath("work.db")
    for name in (path, path + "-wal", path + "-shm", path + "-journal"):
        if os.path.exists(name):
            os.remove(name)
    result = subprocess.run([PYTHON, "-c", WORK, journal, path, str(cache_size), mode],
                            env={**os.environ, **environment}, capture_output=True, text=True)
    check(result.returncode == 0, f"{journal} {environment}: {result.stderr}")
    with open(path, "rb") as file:
        return result.stdout, file.read()


def answers_are_those_of_stock_in_every_journal_mode():
    for journal in ("delete", "truncate", "persist", "memory", "wal", "off"):
        for cache_size in (10, -2000):
            wanted, _ = run_work(journal, cache_size, {}, "stock")
            check("[('ok',)]" in wanted, wanted)
            for budget in ("44kB", "1MB", "0"):
                got, _ = run_work(journal, cache_size, {
                    "LD_PRELOAD": PRELOAD, "SQLITEMEM_BUFFER_POOL_SIZE": budget}, "managed")
                check(got == wanted, f"{journal}, cache_size {cache_size}, pool {budget} differs")


def answers_are_those_of_stock_under_every_policy():
    wanted, _ = run_work("delete", 50, {}, "stock")
    for policy in ("s3fifo", "lru", "2q", "arc"):
        for budget in ("44kB", "200kB"):
            got, _ = run_work("delete", 50, {
                "LD_PRELOAD": PRELOAD, "SQLITEMEM_BUFFER_POOL_SIZE": budget,
                "SQLITEMEM_BUFFER_POOL_POLICY": policy}, "managed")
            check(got == wanted, f"policy {policy}, pool {budget} differs")


WRITER = r'''
import sqlite3, sys
path, journal = sys.argv[1:]
db = sqlite3.connect(path, isolation_level=None)
db.execute("PRAGMA journal_mode=" + journal)
db.execute("CREATE TABLE IF NOT EXISTS pair(a INTEGER PRIMARY KEY, b INT, filler BLOB)")
number = 0
while True:
    db.execute("BEGIN")
    for _ in range(20):
        number += 1
        db.execute("INSERT INTO pair(b, filler) VALUES(?, randomblob(600))", (number,))
    db.execute("UPDATE pair SET filler = randomblob(500) WHERE a % 5 = ?", (number % 5,))
    db.execute("COMMIT")
    print(number, flush=True)
'''


def a_process_killed_while_it_writes_leaves_a_sound_database():
    rounds = int(os.environ.get("POOL_KILLS", "200"))
    choose = random.Random(3)
    for round in range(rounds):
        if round % 20 == 0:
            shutil.rmtree("killed", ignore_errors=True)
            os.mkdir("killed")
        journal = "wal" if round // 20 % 2 else "delete"
        path = os.path.abspath("killed/x.db")
        environment = {**os.environ, "LD_PRELOAD": PRELOAD, "SQLITEMEM_BUFFER_POOL_SIZE": "200kB"}
        writer = subprocess.Popen([PYTHON, "-c", WRITER, path, journal], env=environment,
                                  stdout=subprocess.PIPE)
        writer.stdout.readline()  # At least one commit.
        time.sleep(choose.random() * 0.03)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        answer = subprocess.run(
            ["sqlite3", path, "PRAGMA integrity_check; SELECT count(*) % 20 FROM pair;"],
            capture_output=True, text=True)
        check(answer.stdout == "ok\n0\n", f"round {round}: {answer.stdout} {answer.stderr}")


CLOSING = r'''
import os, sqlite3, sys
path = sys.argv[1]
def held(): return watch.execute("SELECT held_bytes FROM buffer_pool_stats()").fetchone()[0]
watch = sqlite3.connect(":memory:")
db = sqlite3.connect(path)
db.execute("CREATE TABLE t AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
           "WHERE i < 20000) SELECT randomblob(900) AS b FROM n")
db.commit(); db.close()
held()
watch.execute("SELECT force_garbage_collection()")
start = held()
for round in range(3):
    connections = [sqlite3.connect(path) for _ in range(20)]
    for each in connections:
        each.execute("SELECT count(*), sum(length(b)) FROM t").fetchone()
    assert held() > start + 10 * 1024 * 1024, held()
    for each in connections: each.close()
    caches = watch.execute(
        "SELECT count(*) FROM buffer_pool_caches() WHERE is_purgeable").fetchone()[0]
    assert caches <= 1, caches
watch.execute("SELECT force_garbage_collection()")
assert held() <= start + 64 * 1024, (start, held())
'''


def memory_returns_to_the_start_after_closing_everything():
    path = os.path.abspath("closing.db")
    if os.path.exists(path):
        os.remove(path)
    result = subprocess.run([PYTHON, "-c", CLOSING, path],
                            env={**os.environ, "LD_PRELOAD": PRELOAD},
                            capture_output=True, text=True)
    check(result.returncode == 0, result.stderr)


SOFT = r'''
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA soft_heap_limit=8000000")
db.execute("BEGIN")
db.execute("CREATE TABLE t AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
           "WHERE i < 60000) SELECT randomblob(1000) AS b FROM n")
db.execute("COMMIT")
print(db.execute("SELECT held_bytes FROM buffer_pool_stats()").fetchone()[0])
'''


def a_soft_heap_limit_holds_within_a_statement():
    path = os.path.abspath("soft.db")
    if os.path.exists(path):
        os.remove(path)
    result = subprocess.run([PYTHON, "-c", SOFT, path], env={**os.environ, "LD_PRELOAD": PRELOAD},
                            capture_output=True, text=True)
    check(result.returncode == 0, result.stderr)
    check(int(result.stdout) < 9_000_000, f"the pool holds {result.stdout.strip()} bytes")


USED = r'''
import ctypes, os, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("CREATE TABLE t AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
           "WHERE i < 3000) SELECT randomblob(1000) AS b FROM n")
library = ctypes.CDLL(os.environ["LD_PRELOAD"])
library.sqlite3_memory_used.restype = ctypes.c_int64
shown = db.execute("SELECT memory_bytes FROM memory_stats('memory_used')").fetchone()[0]
print(shown, library.sqlite3_memory_used())
'''


def memory_used_in_memory_stats_left_out_the_pool():
    path = os.path.abspath("used.db")
    if os.path.exists(path):
        os.remove(path)
    result = subprocess.run([PYTHON, "-c", USED, path], env={**os.environ, "LD_PRELOAD": PRELOAD},
                            capture_output=True, text=True)
    check(result.returncode == 0, result.stderr)
    shown, used = map(int, result.stdout.split())
    check(used > 3_000_000 and abs(shown - used) < 100_000, shown, used)


COUNTING = r'''
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("CREATE TABLE t AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
           "WHERE i < 3000) SELECT randomblob(900) AS b FROM n")
db.commit()
db.execute("ATTACH ':memory:' AS m")
db.execute("CREATE TABLE m.t AS SELECT * FROM main.t")
db.commit()
db.execute("PRAGMA main.integrity_check").fetchall()
def one(sql): return db.execute(sql).fetchone()[0]
for schema in ("main", "m"):
    wanted = one(f"PRAGMA {schema}.page_count")
    frames = one(f"SELECT frames FROM buffer_pool_caches() WHERE schema_name = '{schema}'")
    pages = one("SELECT count(*) FROM buffer_pool_caches() AS c JOIN buffer_pool_pages() AS p "
                f"USING (cache_id) WHERE c.schema_name = '{schema}'")
    assert wanted > 500 and frames == pages == wanted, (schema, wanted, frames, pages)
unevictable = one("SELECT unevictable_frames FROM buffer_pool_stats()")
assert unevictable >= one("PRAGMA m.page_count"), unevictable
'''


def pages_held_are_those_of_the_file_and_of_the_memory_database():
    path = os.path.abspath("counting.db")
    if os.path.exists(path):
        os.remove(path)
    result = subprocess.run([PYTHON, "-c", COUNTING, path],
                            env={**os.environ, "LD_PRELOAD": PRELOAD},
                            capture_output=True, text=True)
    check(result.returncode == 0, result.stderr)


HUGE_PAGES = '''
import mmap, sqlite3, sys
def huge_bytes():
    with open("/proc/self/smaps_rollup", encoding="ascii") as file:
        return sum(int(line.split()[1]) << 10 for line in file if line.startswith("AnonHuge"))
probe = mmap.mmap(-1, 64 << 20)
probe.madvise(mmap.MADV_HUGEPAGE)
probe.write(b"x" * (64 << 20))
if huge_bytes() < 48 << 20:
    print("the kernel makes no transparent huge pages here: not tested")
    raise SystemExit
probe.close()
db = sqlite3.connect(sys.argv[1])
db.execute("PRAGMA cache_size=-100000")
db.executescript("""
CREATE TABLE t(x);
WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 15000)
  INSERT INTO t SELECT zeroblob(3000) FROM n;""")
db.execute("SELECT sum(length(x)) FROM t").fetchall()
held = db.execute("SELECT used_bytes FROM buffer_pool_stats()").fetchone()[0]
assert held > 50_000_000 and huge_bytes() > held // 2, (held, huge_bytes())
'''


# The kernel makes none of memory that is accessible in part: the area has to grow by whole ones.
def huge_pages_were_asked_for_and_never_made():
    path = os.path.abspath("huge.db")
    if os.path.exists(path):
        os.remove(path)
    result = subprocess.run([PYTHON, "-c", HUGE_PAGES, path], capture_output=True, text=True,
                            env={**os.environ, "LD_PRELOAD": PRELOAD,
                                 "SQLITEMEM_HUGE_PAGES": "on"})
    check(result.returncode == 0, result.stderr)
    print(result.stdout, end="")


main([huge_pages_were_asked_for_and_never_made,
      pages_held_are_those_of_the_file_and_of_the_memory_database,
      answers_are_those_of_stock_in_every_journal_mode,
      answers_are_those_of_stock_under_every_policy,
      a_process_killed_while_it_writes_leaves_a_sound_database,
      memory_returns_to_the_start_after_closing_everything,
      a_soft_heap_limit_holds_within_a_statement,
      memory_used_in_memory_stats_left_out_the_pool])
