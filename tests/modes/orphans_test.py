#!/usr/bin/env python3
# Orphaned transactions of an unmodified Python with threads: preloaded, where the program's
# authorizer is known, and attached, where it is not.
from support import main, run

COMMON = """
def fresh(name):
    for end in ("", "-journal", "-wal", "-shm"):
        if os.path.exists(name + end): os.remove(name + end)
    db = connect(name, load=LOAD, check_same_thread=False, timeout=0)
    db.execute("PRAGMA journal_mode = WAL"); db.execute("CREATE TABLE t(x)")
    return db
def again(name):
    return connect(name, load=False, check_same_thread=False, timeout=0)
def in_thread(work):
    box = []
    thread = threading.Thread(target=lambda: box.append(work()))
    thread.start(); thread.join()
    # Python does not wait for the operating system's thread to end.
    while os.path.exists(f"/proc/self/task/{thread.native_id}"): pass
    return box[0]
def begin_half(name):
    db = again(name); db.execute("BEGIN IMMEDIATE"); db.execute("INSERT INTO t VALUES('half')")
    return db
def error(db, sql):
    try:
        db.execute(sql).fetchall()
    except sqlite3.DatabaseError as problem:
        return str(problem)
    return ""
def open_ones(db):
    cursor = db.execute("SELECT * FROM open_transactions")
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row)) for row in cursor]
"""
PRELOADED = "LOAD = False\n" + COMMON
ATTACHED = "LOAD = True\n" + COMMON


def a_thread_that_ended_leaves_an_orphan():
    run(PRELOADED + """
b = fresh("ended.db"); a = in_thread(lambda: begin_half("ended.db"))
row, = open_ones(b)
check(row["state"] == "write" and row["owner_alive"] == 0 and row["is_killable"] == 1, row)
check(row["thread_id"] and row["is_start_exact"] == 1 and "has ended" in row["reason"], row)
check(row["last_sql"] == "INSERT INTO t VALUES('half')", row)
check(one(b, "SELECT count(*) FROM orphaned_transactions") == 1, "at once, not after a minute")
check(error(b, "INSERT INTO t VALUES('b')") == "database is locked")
check(one(b, "SELECT kill_orphaned_transactions(NULL, 'dry_run')") == 1)
check(one(b, "SELECT kill_orphaned_transactions()") == 1)
b.execute("INSERT INTO t VALUES('b')")
for sql in ("INSERT INTO t VALUES('other half')", "COMMIT", "SELECT 1"):
    check("rolled back by kill_orphaned_transactions()" in error(a, sql), sql, error(a, sql))
a.execute("ROLLBACK"); a.execute("INSERT INTO t VALUES('whole')")
check([x for x, in b.execute("SELECT x FROM t")] == ["b", "whole"])
check(one(b, "SELECT group_concat(outcome) FROM transaction_kills") == "would be killed,killed")
""", preload=True)


def a_living_owner_is_no_orphan_before_its_time():
    run(PRELOADED + """
b = fresh("living.db"); a = begin_half("living.db")
check(open_ones(b)[0]["owner_alive"] == 1)
check(one(b, "SELECT count(*) FROM orphaned_transactions") == 0)
check(one(b, "SELECT kill_orphaned_transactions()") == 0)
check(one(b, "SELECT count(*) FROM transaction_kills") == 0, "nothing to decide")
a.execute("COMMIT")
check(one(b, "SELECT x FROM t") == "half")
""", preload=True)


def a_transaction_that_goes_on_in_another_thread_has_no_known_owner():
    run(PRELOADED + """
b = fresh("moved.db"); a = in_thread(lambda: begin_half("moved.db"))
check(open_ones(b)[0]["owner_alive"] == 0)
a.execute("INSERT INTO t VALUES('more')")
check(open_ones(b)[0]["owner_alive"] is None)
check(open_ones(b)[0]["owner_alive"] is None, "and stays so")
check(one(b, "SELECT kill_orphaned_transactions()") == 0)
a.execute("COMMIT")
""", preload=True)


def the_programs_authorizer_is_put_back():
    run(PRELOADED + """
asked = []
def authorizer(*what):
    asked.append(what); return sqlite3.SQLITE_OK
b = fresh("authorizer.db"); a = again("authorizer.db"); a.set_authorizer(authorizer)
a.execute("BEGIN IMMEDIATE"); a.execute("INSERT INTO t VALUES('half')")
check(one(b, "SELECT kill_orphaned_transactions(0)") == 0)
check("has set an authorizer" in one(b, "SELECT reason FROM transaction_kills"))
check(one(b, "SELECT kill_orphaned_transactions(0, 'force')") == 1)
check("kill_orphaned" in error(a, "COMMIT"))
# What it sets meanwhile must not undo the kill.
a.set_authorizer(authorizer)
check("kill_orphaned" in error(a, "COMMIT"))
a.execute("ROLLBACK")
del asked[:]; a.execute("INSERT INTO t VALUES('whole')")
check(asked, "asked again")
check(one(b, "SELECT kill_orphaned_transactions(0)") == 0)
del asked[:]; a.execute("INSERT INTO t VALUES('whole 2')")
check(asked, "and in its own place again")
a.set_authorizer(None); del asked[:]
a.execute("INSERT INTO t VALUES('whole 3')"); check(not asked, asked)
check(one(b, "SELECT count(*) FROM t") == 3)
a.execute("BEGIN IMMEDIATE"); check(one(b, "SELECT kill_orphaned_transactions(0)") == 1)
""", preload=True)


def the_programs_rollback_hook_hears_of_its_own_rollback_only():
    run(PRELOADED + """
calls = []
HOOK = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
hook = HOOK(lambda argument: calls.append(threading.get_ident()))
handle, path = ctypes.c_void_p(), b"hook.db"
b = fresh("hook.db")
sqlite.sqlite3_rollback_hook.restype = ctypes.c_void_p
check(sqlite.sqlite3_open(path, ctypes.byref(handle)) == 0)
sqlite.sqlite3_rollback_hook(handle, hook, None)
run = lambda sql: sqlite.sqlite3_exec(handle, sql, None, None, None)
check(run(b"BEGIN IMMEDIATE; INSERT INTO t VALUES(1)") == 0)
check(in_thread(lambda: one(b, "SELECT kill_orphaned_transactions(0)")) == 1)
check(calls == [], "not in a foreign thread")
check(run(b"ROLLBACK") == 0)
check(calls == [threading.get_ident()], calls)
""", preload=True)


def a_leaked_statement_of_a_closed_connection_is_reported():
    run(PRELOADED + """
b = fresh("zombie.db"); b.execute("INSERT INTO t VALUES(1), (2)")
handle, statement = ctypes.c_void_p(), ctypes.c_void_p()
check(sqlite.sqlite3_open(b"zombie.db", ctypes.byref(handle)) == 0)
stock = ctypes.CDLL("libsqlite3.so.0")
check(stock.sqlite3_prepare_v2(handle, b"SELECT x FROM t", -1, ctypes.byref(statement), None) == 0)
check(stock.sqlite3_step(statement) == 100)
check(sqlite.sqlite3_close_v2(handle) == 0)
b.execute("INSERT INTO t VALUES(3)")
row, = open_ones(b)
check(row["is_zombie"] == 1 and "leak" in row["reason"] and row["blocks_checkpoint"] == 1, row)
check(one(b, "SELECT count(*) FROM orphaned_transactions") == 1)
check(one(b, "SELECT kill_orphaned_transactions()") == 0)
check("finalized" in one(b, "SELECT reason FROM transaction_kills"))
sqlite.sqlite3_finalize(statement)
check(open_ones(b) == [])
""", preload=True)


def who_holds_the_wal_is_named():
    run(PRELOADED + """
b = fresh("wal.db"); b.execute("INSERT INTO t VALUES(1)")
old, new = again("wal.db"), again("wal.db")
old.execute("BEGIN"); old.execute("SELECT * FROM t").fetchall()
for n in range(20): b.execute("INSERT INTO t VALUES(2)")
import time; time.sleep(0.01)  # So that the coarse clock has moved: who was first must show.
new.execute("BEGIN"); new.execute("SELECT * FROM t").fetchall()
first, second = open_ones(b)
check(first["wal_frames_pinned"] == 20 and first["blocks_checkpoint"] == 1, first)
check(second["wal_frames_pinned"] == 0 and second["blocks_checkpoint"] == 0, second)
check("20 frames" in first["reason"], first)
check(one(b, "SELECT count(*) FROM wal_stats") == 3)
check(one(b, "SELECT group_concat(DISTINCT oldest_reader_connection_id) FROM wal_stats")
      == str(first["connection_id"]))
check(one(b, "SELECT max(pinned_frames) FROM wal_stats") == 20)
report = b.execute(open(REPORT).read().split(";")[0]).fetchall()
check(len(report) == 1 and report[0][4] == 20 and f"connection {first['connection_id']} " in
      report[0][5] and report[0][-1] == "SELECT * FROM t", report)
check(one(b, "PRAGMA wal_checkpoint(TRUNCATE)") == 1)
old.execute("COMMIT"); new.execute("COMMIT")
check(one(b, "PRAGMA wal_checkpoint(TRUNCATE)") == 0)
check(one(b, "SELECT max(wal_bytes) + max(frames) FROM wal_stats") == 0)
# SQLite's locks are as they were: another process must not get in between.
b.execute("BEGIN IMMEDIATE"); b.execute("SELECT count(*) FROM wal_stats").fetchall()
other = os.popen(f"sqlite3 wal.db 'INSERT INTO t VALUES(3)' 2>&1").read()
check("locked" in other, other)
""".replace("REPORT", repr(REPORT)), preload=True)


def another_process_that_holds_the_wal_is_told_apart():
    run(PRELOADED + """
import subprocess
b = fresh("elsewhere.db"); b.execute("INSERT INTO t VALUES(1)")
child = subprocess.Popen([sys.executable, "-c", '''
import sqlite3, sys
a = sqlite3.connect("elsewhere.db", isolation_level=None)
a.execute("BEGIN"); a.execute("SELECT * FROM t").fetchall(); print("reading", flush=True)
sys.stdin.read()
'''], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
check(child.stdout.readline() == b"reading\\n")
b.execute("INSERT INTO t VALUES(2)")
row = b.execute("SELECT pinned_frames, is_oldest_elsewhere, oldest_reader_connection_id "
                "FROM wal_stats").fetchone()
check(row == (1, 1, None), row)
child.stdin.close(); child.wait()
check(one(b, "SELECT max(pinned_frames) FROM wal_stats") == 0, "only the one that asks")
""", preload=True)


def attached_it_takes_force():
    run(ATTACHED + """
b = fresh("attached.db"); check(mode(b).startswith("attached"), mode(b))
a = in_thread(lambda: begin_half("attached.db"))
row, = open_ones(b)
check(row["owner_alive"] == 0 and row["is_killable"] == 0 and "force" in row["why_not"], row)
check(row["is_zombie"] is None, "only the preload library can tell")
check(one(b, "SELECT kill_orphaned_transactions()") == 0)
check(one(b, "SELECT kill_orphaned_transactions(60, 'force')") == 1)
check(error(a, "COMMIT") == "not authorized")
a.execute("ROLLBACK"); a.execute("INSERT INTO t VALUES('whole')")
check([x for x, in b.execute("SELECT x FROM t")] == ["whole"])
""")


def observing_what_is_not_known_is_null():
    run(ATTACHED + """
b = fresh("observing.db"); check(mode(b).startswith("observing"), mode(b))
a = begin_half("observing.db")
row, = open_ones(b)
check(row["state"] == "write" and row["is_start_exact"] == 0, row)
check(row["thread_id"] is None and row["owner_alive"] is None, row)
check(one(b, "SELECT kill_orphaned_transactions(0, 'force')") == 1)
check(error(a, "COMMIT") == "not authorized"); a.execute("ROLLBACK")
""", SQLITEMEM_ATTACH="never")


def the_child_of_a_fork_kills_nothing_of_its_parent():
    run(PRELOADED + """
b = fresh("fork.db"); a = begin_half("fork.db")
child = os.fork()
if child == 0:
    own = connect(load=False)
    killed = one(own, "SELECT kill_orphaned_transactions(0, 'force')")
    reason = one(own, "SELECT reason FROM transaction_kills")
    os._exit(0 if killed == 0 and "fork" in reason else 1)
check(os.waitpid(child, 0)[1] == 0, "the child")
a.execute("COMMIT"); check(one(b, "SELECT x FROM t") == "half")
""", preload=True)


def threads_may_open_use_and_close_while_another_kills():
    run(PRELOADED + """
b = fresh("threads.db"); done = []; killed = 0
def use():
    for n in range(60):
        own = connect("threads.db", load=False, timeout=5)
        try:
            own.execute("BEGIN"); own.execute("SELECT * FROM t").fetchall()
            own.execute("SELECT * FROM t").fetchall(); own.execute("COMMIT")
        except sqlite3.DatabaseError as problem:
            check("kill_orphaned" in str(problem), problem)
            own.execute("ROLLBACK")
        check(one(own, "SELECT count(*) FROM t") == 0)
        own.close()
    done.append(1)
threads = [threading.Thread(target=use) for _ in range(3)]
for thread in threads: thread.start()
while len(done) < 3 and any(thread.is_alive() for thread in threads):
    killed += one(b, "SELECT kill_orphaned_transactions(0)")
for thread in threads: thread.join()
check(len(done) == 3, "a thread failed")
check(open_ones(b) == [] and one(b, "SELECT memory_heap_check()") == "ok")
print("killed", killed)
""", preload=True)


import os
REPORT = os.path.join(os.environ["SQLITEMEM_SOURCE_DIR"], "sql/reports/why_does_my_wal_grow.sql")
main([a_thread_that_ended_leaves_an_orphan, a_living_owner_is_no_orphan_before_its_time,
      a_transaction_that_goes_on_in_another_thread_has_no_known_owner,
      the_programs_authorizer_is_put_back,
      the_programs_rollback_hook_hears_of_its_own_rollback_only,
      a_leaked_statement_of_a_closed_connection_is_reported, who_holds_the_wal_is_named,
      another_process_that_holds_the_wal_is_told_apart, attached_it_takes_force,
      observing_what_is_not_known_is_null, the_child_of_a_fork_kills_nothing_of_its_parent,
      threads_may_open_use_and_close_while_another_kills])
