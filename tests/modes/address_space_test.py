# Under ulimit -v and -d SQLite gets nearly as much as without us, and what is evicted goes back.
import os
import resource
import subprocess

import support
from support import run

ROW = 3500  # Bytes; one on a page.


def rows_that_fit(kind, limit_kb, rows, **environment):
    """Whether an in-memory database with so many rows of a page each fits."""
    script = f"""
CREATE TABLE t(x);
WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {rows})
  INSERT INTO t SELECT zeroblob({ROW}) FROM n;
SELECT count(*), sum(length(x)) FROM t;"""
    answer = subprocess.run(
        ["bash", "-c", f"ulimit -{kind} {limit_kb}; LD_PRELOAD=$0 exec sqlite3 -bail :memory:",
         support.PRELOAD], input=script, capture_output=True, text=True, timeout=120,
        env=dict(os.environ, **environment))
    return answer.stdout.strip() == f"{rows}|{rows * ROW}"


def a_database_in_memory_gets_most_of_the_address_space():
    for kind in "vd":
        for limit_kb in (120_000, 400_000):
            pages = limit_kb // 4
            most = rows_that_fit(kind, limit_kb, pages * 60 // 100)
            all_of_it = rows_that_fit(kind, limit_kb, pages)
            support.expect_equal((kind, limit_kb), (most, all_of_it), (True, False))


# The heap's small region was taken for the limit, so that the C library was not asked.
def without_a_pool_the_heap_borrows_beyond_its_region():
    fits = rows_that_fit("v", 300_000, 20_000, SQLITEMEM_BUFFER_POOL="off")
    support.expect_equal("70 MB of 300", fits, True)


# Before, address space that the pool had once used stayed reserved: the program's malloc failed.
def a_program_can_use_the_address_space_of_evicted_pages():
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (500 << 20, most))
    run("""
import time
def mapped():
    return int(open("/proc/self/statm").read().split()[0]) * 4096
db = connect("space.db")
db.execute("PRAGMA cache_size=-300000")
one(db, "SELECT memory_config('buffer_pool_size', '300MB')")
db.execute("CREATE TABLE IF NOT EXISTS big(x)")
db.execute("DELETE FROM big")
for i in range(200):
    db.execute("INSERT INTO big SELECT zeroblob(1000000)")
db.commit()
one(db, "SELECT sum(length(x)) FROM big")
full = mapped()
check(one(db, "SELECT limit_source FROM memory_pressure") == "rlimit")
one(db, "SELECT memory_config('sample_interval', '100ms')")
time.sleep(0.3)
used = one(db, "SELECT used_bytes FROM memory_pressure")
check(abs(used - mapped()) < 4_000_000, used, mapped())
full = mapped()
one(db, "SELECT buffer_pool_evict()")
check(mapped() < full - 150_000_000, full, mapped())
block = bytearray(full - mapped() - 10_000_000)
check(one(db, "SELECT count(*) FROM big") == 200)
check(one(db, "PRAGMA integrity_check") == "ok")
check(one(db, "SELECT memory_heap_check()") == "ok")
""", preload=True)


support.main([a_database_in_memory_gets_most_of_the_address_space,
              without_a_pool_the_heap_borrows_beyond_its_region,
              a_program_can_use_the_address_space_of_evicted_pages])
