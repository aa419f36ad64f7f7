#!/usr/bin/env python3
# An unmodified Python under the preload library: what SQLite's questions about memory are answered,
# and the limits.
from support import expect_equal, main, run

# What a program can ask, before and after the same work. Printed, so that two processes can be
# compared.
QUESTIONS = """
def status(what, reset=0):
    now, highest = ctypes.c_int64(), ctypes.c_int64()
    rc = sqlite.sqlite3_status64(what, ctypes.byref(now), ctypes.byref(highest), reset)
    check(rc == 0, "sqlite3_status64", rc)
    return now.value, highest.value
USED, PAGECACHE_OVERFLOW, MALLOC_SIZE, MALLOC_COUNT = 0, 2, 5, 9
def work(db):
    fill(db, rows=20000)
    db.execute("CREATE INDEX i ON t(y)")
"""


def it_is_managed_from_the_first_connection():
    run("""
db = connect(load=False); check(mode(db).startswith("managed"), mode(db))
other = connect(load=False)
check(one(other, "SELECT count(*) FROM connection_memory()") == 2)
fill(db); check(one(db, "SELECT memory_heap_check()") == "ok")
""", preload=True)


def loading_the_extension_too_finds_the_one_core():
    run("""
db = connect(); text = mode(db); check(text.startswith("managed"), text)
check("sqlitemem.so" in open("/proc/self/maps").read())
check(one(db, "SELECT count(*) FROM connection_memory()") == 1)
db.execute("UPDATE memory_config SET setting = '1GB' WHERE name = 'memory_limit'")
other = connect(load=False)
check(one(other, "SELECT setting FROM memory_config WHERE name = 'memory_limit'") == "1GB")
""", preload=True)


def a_shutdown_and_a_new_start_do_not_hang():
    run("""
for round in range(3):
    db = connect(load=False); check(mode(db).startswith("managed"), mode(db))
    fill(db); db.close()
    check(ctypes.CDLL("libsqlite3.so.0").sqlite3_shutdown() == 0)
db = connect(load=False); check(one(db, "SELECT count(*) FROM connection_memory()") == 1)
""", preload=True)


def answers_are_those_of_stock():
    code = QUESTIONS + """
db = connect(load=False); before = status(USED)[0], status(MALLOC_COUNT)[0]
overflow = status(PAGECACHE_OVERFLOW)[0]
work(db)
used, count = status(USED), status(MALLOC_COUNT)
check(sqlite.sqlite3_memory_used() == used[0])
check(sqlite.sqlite3_memory_highwater(0) >= used[0])
now32, high32 = ctypes.c_int(), ctypes.c_int()
sqlite.sqlite3_status(USED, ctypes.byref(now32), ctypes.byref(high32), 0)
check(abs(now32.value - used[0]) < 100000)
print(used[0] - before[0], count[0] - before[1], used[1], count[1], status(MALLOC_SIZE)[1],
      status(PAGECACHE_OVERFLOW)[0] - overflow)
db.close()
print(status(USED)[0], status(MALLOC_COUNT)[0])
"""
    stock, ours = run(code).split("\n"), run(code, preload=True).split("\n")
    stock_numbers, our_numbers = ([int(n) for n in text[0].split()] for text in (stock, ours))
    names = ("bytes used", "blocks", "most bytes", "most blocks", "largest request", "overflow")
    for name, expected, shown in zip(names, stock_numbers, our_numbers):
        print(f"  {name}: stock {expected}, managed {shown}")
    # A page cache is two blocks of stock's; in the pool it is one, and only once it has grown.
    assert abs(our_numbers[1] - stock_numbers[1]) <= 4, "blocks in use after the work"
    # Size classes are not stock's multiples of 8; the tables of a connection are some 60 kB.
    for index, share in ((0, 0.03), (2, 0.06), (5, 0.03)):
        difference = abs(our_numbers[index] - stock_numbers[index])
        assert difference <= share * stock_numbers[index] + 65536, names[index]
    assert our_numbers[4] >= stock_numbers[4] and our_numbers[4] <= 1.25 * stock_numbers[4]
    # All that is left after closing is the list of auto-extensions, which is ours.
    left = [int(n) for n in ours[1].split()]
    expect_equal("stock leaves", stock[1], "0 0")
    assert left[0] <= 64 and left[1] <= 1, left


def marks_start_again_one_by_one():
    run(QUESTIONS + """
db = connect(load=False); work(db); db.execute("DROP TABLE t"); db.execute("PRAGMA shrink_memory")
used, count = status(USED), status(MALLOC_COUNT)
check(used[1] > used[0] + 100000, used)
check(sqlite.sqlite3_memory_highwater(1) == used[1], "the mark before the reset")
check(sqlite.sqlite3_memory_highwater(0) < used[1], "the mark starts again")
check(status(MALLOC_COUNT)[1] >= count[1], "the other marks stay")
status(MALLOC_COUNT, 1)
check(status(MALLOC_COUNT)[1] < count[1], count)
largest = status(MALLOC_SIZE)[1]
one(db, "SELECT length(zeroblob(10000000) || 'x')")
check(status(MALLOC_SIZE)[1] >= 10000000 > largest)
""", preload=True)


def memstatus_on_leaves_it_to_sqlite():
    run(QUESTIONS + """
db = connect(load=False); text = mode(db)
check(text.startswith("managed") and "accounting" not in text, text)
work(db); check(status(USED)[0] > 500000)
check(one(db, "SELECT setting FROM memory_config WHERE name = 'memstatus'") == "on")
""", preload=True, SQLITEMEM_MEMSTATUS="on")


def the_hard_limit_holds():
    code = """
db = connect(load=False)
limit = sqlite.sqlite3_memory_used() + 1500000
check(one(db, f"PRAGMA hard_heap_limit = {limit}") == limit)
check(sqlite.sqlite3_hard_heap_limit64(ctypes.c_int64(-1)) == limit)
try:
    fill(db, rows=100000); check(False, "no error")
except (MemoryError, sqlite3.OperationalError):
    pass
check(sqlite.sqlite3_memory_used() <= limit, sqlite.sqlite3_memory_used(), limit)
check(sqlite.sqlite3_memory_highwater(0) <= limit, sqlite.sqlite3_memory_highwater(0), limit)
check(one(db, "SELECT 1") == 1, "usable afterwards")
sqlite.sqlite3_hard_heap_limit64(ctypes.c_int64(0))
check(one(db, "PRAGMA hard_heap_limit") == 0)
db.execute("DROP TABLE IF EXISTS t"); fill(db, rows=100000)
check(one(db, "SELECT count(*) FROM t") == 100000)
"""
    run(code)
    run(code, preload=True)


def the_soft_limit_gives_memory_back():
    run("""
db = connect("soft.db", load=False); db.execute("DROP TABLE IF EXISTS t"); fill(db, rows=20000)
db.execute("SELECT sum(length(y)) FROM t").fetchall()
full = sqlite.sqlite3_memory_used()
check(one(db, "PRAGMA soft_heap_limit = 400000") == 400000)
db.execute("SELECT sum(length(y)) FROM t").fetchall()
held = sqlite.sqlite3_memory_used()
check(full > 1000000 and held < 500000, full, held)
""", preload=True)


def release_memory_releases():
    run("""
db = connect("soft.db", load=False)
db.execute("SELECT sum(length(y)) FROM t").fetchall()
before = sqlite.sqlite3_memory_used()
released = sqlite.sqlite3_release_memory(1 << 30)
check(released > 500000 and before - sqlite.sqlite3_memory_used() >= 500000, released)
check(sqlite.sqlite3_release_memory(0) == 0)
""", preload=True)


def threads_and_forks_go_on():
    run("""
def use(number):
    db = connect(load=False)
    for _ in range(30):
        fill(db, rows=300); db.execute("DROP TABLE t")
    check(mode(db).startswith("managed")); db.close()
threads = [threading.Thread(target=use, args=(n,)) for n in range(4)]
for thread in threads: thread.start()
db = connect(load=False)
child = os.fork()
if child == 0:
    own = connect(load=False); fill(own)
    os._exit(0 if one(own, "SELECT count(*) FROM t") == 3000 else 1)
for thread in threads: thread.join()
check(os.waitpid(child, 0)[1] == 0, "the child")
check(one(db, "SELECT memory_heap_check()") == "ok")
check(one(db, "SELECT count(*) FROM connection_memory()") == 1)
""", preload=True)


main([it_is_managed_from_the_first_connection, loading_the_extension_too_finds_the_one_core,
      answers_are_those_of_stock, marks_start_again_one_by_one, memstatus_on_leaves_it_to_sqlite,
      the_hard_limit_holds, the_soft_limit_gives_memory_back, release_memory_releases,
      threads_and_forks_go_on, a_shutdown_and_a_new_start_do_not_hang])
