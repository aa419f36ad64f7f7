#!/usr/bin/env python3
# The transparent plan cache: what a program can see is the same with it, when it is off, and CALL.
import os
import shutil
import subprocess
import sys

from support import BUILD, PRELOAD, SCRATCH, expect_equal, main, run

PROBES = os.path.join(BUILD, "tests", "modes", "sqlitemem_plan_probes")
CURRENT = os.path.join(BUILD, "cache", "current-sqlite")
ARCHIVE = "/usr/lib/x86_64-linux-gnu/libsqlite3.a"
NO_REPEATS = "[db.execute(f'SELECT {i}').fetchone() for i in range(100)]\n"
# Each text thirty times, by a module that finalizes what it has prepared.
WORK = """
db = connect(load=False, cached_statements=0)
db.execute("CREATE TABLE t(x INTEGER PRIMARY KEY, y)")
for i in range(30):
    db.execute("INSERT INTO t(y) VALUES(?)", (i,))
    check(one(db, "SELECT y FROM t WHERE x = ?", i + 1) == i)
def cache(what):
    return one(db, f"SELECT {what} FROM plan_cache_summary")
"""


def probe(**environment):
    done = subprocess.run([PROBES], env=dict(os.environ, **environment), text=True, cwd=SCRATCH,
                          capture_output=True, timeout=60, check=False)
    if done.returncode != 0 or done.stderr:
        sys.exit(f"exit status {done.returncode}: {done.stdout[-300:]}{done.stderr}")
    return done.stdout


def expect_same_observations(**environment):
    stock = probe(**environment)
    assert stock.count("\n") > 85, stock
    for setting in ("on", "off"):
        for line, expected in zip(probe(LD_PRELOAD=PRELOAD, SQLITEMEM_PLAN_CACHE=setting,
                                        **environment).splitlines(), stock.splitlines()):
            expect_equal(f"plan_cache={setting}", line, expected)


def on(code, **environment):
    return run(code, preload=True, SQLITEMEM_PLAN_CACHE="on", **environment)


def all_that_can_be_observed_is_the_same():
    expect_same_observations()
    if os.path.exists(os.path.join(CURRENT, "libsqlite3.so.0")):
        expect_same_observations(LD_LIBRARY_PATH=CURRENT)
    else:
        print("  no current SQLite was built: skipped")


def a_text_is_compiled_twice_and_then_taken():
    on(WORK + "check(cache('plans') == 2, cache('plans'))\n"
       "check(cache('hits') >= 56, cache('hits'))\n"
       "check('Prepared statements are kept' in mode(db), mode(db))\n"
       "check(one(db, 'SELECT clear_plan_cache()') >= 2 and cache('plans') == 0)\n"
       "db.close()")
    run(WORK + "check(cache('hits + misses + plans') == 0)\n"
        "check('plan_cache' not in mode(db), mode(db))", preload=True)
    on("db = connect(load=False, cached_statements=0)\n" + NO_REPEATS +
       "check(one(db, 'SELECT hits + plans FROM plan_cache_summary') == 0)")


def without_preload_the_option_says_what_it_needs():
    run("db = connect()\ncheck('needs the preload library' in mode(db), mode(db))",
        SQLITEMEM_PLAN_CACHE="on")


def a_library_that_binds_its_calls_itself_disables_it():
    if not os.path.exists(ARCHIVE):
        print("  no libsqlite3.a here: skipped")
        return
    directory = os.path.join(SCRATCH, "symbolic")
    os.makedirs(directory, exist_ok=True)
    subprocess.run(["cc", "-shared", "-Wl,-Bsymbolic", "-Wl,-soname,libsqlite3.so.0", "-o",
                    os.path.join(directory, "libsqlite3.so.0"), "-Wl,--whole-archive", ARCHIVE,
                    "-Wl,--no-whole-archive", "-lm", "-lz", "-ldl", "-lpthread"], check=True)
    expect_same_observations(LD_LIBRARY_PATH=directory)
    on(WORK + "check('-Bsymbolic' in mode(db), mode(db))\ncheck(cache('hits + plans') == 0)",
       LD_LIBRARY_PATH=directory)
    shutil.rmtree(directory)


def limits_and_a_shared_cache_stop_it():
    for call, words in (("sqlite.sqlite3_soft_heap_limit64(ctypes.c_int64(1 << 30))", "heap limit"),
                        ("sqlite.sqlite3_hard_heap_limit64(ctypes.c_int64(1 << 30))", "heap limit"),
                        ("db.execute('PRAGMA soft_heap_limit=1000000000')", "heap limit"),
                        ("db.executescript('PRAGMA hard_heap_limit=1000000000')", "heap limit"),
                        ("sqlite.sqlite3_enable_shared_cache(1)", "shared cache"),
                        # Of another connection, whose handle follows the head of its object.
                        ("other = connect(load=False); sqlite.sqlite3_drop_modules("
                         "ctypes.c_void_p.from_address(id(other) + 16), None)",
                         "sqlite3_drop_modules")):
        on(WORK + "check(cache('plans') > 0)\n" + call + "\nhits = cache('hits')\n"
           f"check({words!r} in mode(db), mode(db))\n"
           "for i in range(5): check(one(db, 'SELECT 42') == 42)\n"
           "check(cache('hits') == hits and cache('plans') == 0, cache('plans'))\ndb.close()")
    on(WORK + "sqlite.sqlite3_enable_shared_cache(0)\ncheck('are kept' in mode(db), mode(db))\n"
       "shared = connect('file:x?mode=memory&cache=shared', load=False, uri=True,"
       "                 cached_statements=0)\n"
       "hits = cache('hits')\nfor i in range(9): one(shared, 'SELECT 42')\n"
       "check(one(shared, 'SELECT count(*) FROM plan_cache_stats WHERE sql = \\'SELECT 42\\''"
       "                 ) == 0)")


def the_programs_callbacks_leave_a_connection_alone():
    for begin, end in (("db.set_authorizer(lambda *_: 0)", "db.set_authorizer(None)"),
                       ("db.set_progress_handler(lambda: 0, 1)",
                        "db.set_progress_handler(None, 0)")):
        on(WORK + begin + "\nhits = cache('hits')\n"
           "for i in range(9): one(db, 'SELECT 42')\n"
           "check(cache('hits') == hits and cache('plans') == 0)\n" + end + "\n"
           "for i in range(9): one(db, 'SELECT 42')\ncheck(cache('hits') > hits)")


def the_limits_hold_while_plans_come_and_go():
    on("""
db = connect(load=False, cached_statements=0)
for round in range(6):
    for i in range(7): check(one(db, f"SELECT {i}") == i)
check(one(db, "SELECT plans FROM plan_cache_summary") <= 4)
check(one(db, "SELECT evictions FROM plan_cache_summary") > 10)
db.execute("UPDATE memory_config SET setting = 1 WHERE name = 'plan_cache_max_plans'")
check(one(db, "SELECT plans FROM plan_cache_summary") <= 1)
""", SQLITEMEM_PLAN_CACHE_MAX_PLANS="4")


def a_statement_finalized_twice_is_refused():
    on("""
db, statement = ctypes.c_void_p(), ctypes.c_void_p()
check(sqlite.sqlite3_open(b":memory:", ctypes.byref(db)) == 0)
for i in range(3):
    check(sqlite.sqlite3_prepare_v2(db, b"SELECT 1", -1, ctypes.byref(statement), None) == 0)
    check(sqlite.sqlite3_finalize(statement) == 0)
check(sqlite.sqlite3_finalize(statement) == 21)
check(sqlite.sqlite3_close(db) == 0)
""")


def threads_share_a_connection_and_change_its_schema():
    on("""
shared = connect(load=False, cached_statements=0, check_same_thread=False)
shared.execute("CREATE TABLE t(x)")
problems = []
def work(number):
    try:
        own = connect(load=False, cached_statements=0)
        own.execute("CREATE TABLE t(x)")
        for i in range(200):
            for db in (own, shared):
                db.execute("INSERT INTO t(x) VALUES(?)", (i,))
                if one(db, "SELECT ? + 1", i) != i + 1: problems.append(i)
            if i % 40 == number: own.execute(f"ALTER TABLE t ADD COLUMN c{i}")
            if i % 50 == 0: one(own, "SELECT clear_plan_cache(50)")
        own.close()
    except Exception as problem:
        problems.append(problem)
threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
check(not problems, problems)
check(one(shared, "SELECT count(*) FROM t") == 800)
check(one(shared, "SELECT hits FROM plan_cache_summary") > 1000)
""")


CALLS = """
db = connect(load=False)
check(one(db, "CALL max(1, 2)") == 2)
check(one(db, " -- why\\n/* so */ ; call \\"max\\" (?, 3) ", 4) == 4)
check(one(db, "CALL clear_plan_cache();") >= 0)
db.execute("CREATE TABLE t(x)")
db.executescript("CALL max(1, 2); INSERT INTO t VALUES(1); call min(1, 2);INSERT INTO t VALUES(2)")
check(one(db, "SELECT count(*) FROM t") == 2)
for refused in ("CALL", "CALL max", "CALL (1)", "CALL nothing_of_this_name()", "CALLS max(1)"):
    try:
        db.execute(refused)
        check(False, refused)
    except sqlite3.OperationalError:
        pass
private = ctypes.CDLL("libsqlite3.so.0")
handle, statement, tail = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
sqlite.sqlite3_open(b":memory:", ctypes.byref(handle))
wide = "CALL max(1, 2); SELECT 3".encode("utf-16-le") + b"\\0\\0"
narrow = b"CALL max(1, 2); SELECT 3"
for text, letter_bytes, prepare in ((wide, 2, "prepare16"), (wide, 2, "prepare16_v2"),
                                    (narrow, 1, "prepare"), (narrow, 1, "prepare_v2")):
    buffer = ctypes.create_string_buffer(text)
    check(getattr(sqlite, "sqlite3_" + prepare)(handle, buffer, -1, ctypes.byref(statement),
                                                ctypes.byref(tail)) == 0, prepare)
    check(tail.value - ctypes.addressof(buffer) == 15 * letter_bytes, prepare)
    check(sqlite.sqlite3_step(statement) == 100)
    check(private.sqlite3_column_int(statement, 0) == 2)
    check(sqlite.sqlite3_finalize(statement) == 0)
check(sqlite.sqlite3_prepare_v3(handle, narrow, 4, 0, ctypes.byref(statement), None) == 1)
check(sqlite.sqlite3_close(handle) == 0)
"""


def call_runs_a_function():
    run(CALLS, preload=True)
    on(CALLS)
    shell = subprocess.run(["sqlite3", ":memory:", "CALL max(1, 5); SELECT 6;"], text=True,
                           env=dict(os.environ, LD_PRELOAD=PRELOAD), capture_output=True,
                           check=True)
    expect_equal("the shell's answer", shell.stdout, "5\n6\n")


main([all_that_can_be_observed_is_the_same, a_text_is_compiled_twice_and_then_taken,
      without_preload_the_option_says_what_it_needs,
      a_library_that_binds_its_calls_itself_disables_it, limits_and_a_shared_cache_stop_it,
      the_programs_callbacks_leave_a_connection_alone, the_limits_hold_while_plans_come_and_go,
      a_statement_finalized_twice_is_refused, threads_share_a_connection_and_change_its_schema,
      call_runs_a_function])
