# What the Python-driven tests share: where things are, and running a piece of Python in a process
# of its own.
import os
import subprocess
import sys

BUILD = os.environ["SQLITEMEM_BUILD_DIR"]
SCRATCH = os.environ["SQLITEMEM_TEST_DIR"]
EXTENSION = os.path.join(BUILD, "sqlitemem")
PRELOAD = os.path.join(BUILD, "libsqlitemem_preload.so")

# At the start of each piece: a connection that loads, questions, and how to check.
PRELUDE = f"""
import ctypes, os, sqlite3, sys, threading
EXTENSION = {EXTENSION!r}
def connect(file=":memory:", load=True, **options):
    db = sqlite3.connect(file, isolation_level=None, **options)
    if load:
        db.enable_load_extension(True)
        db.load_extension(EXTENSION)
    return db
def one(db, sql, *arguments):
    return db.execute(sql, arguments).fetchone()[0]
def check(condition, *shown):
    if not condition:
        print("check failed:", *shown, file=sys.stderr)
        sys._getframe(1)
        raise SystemExit(1)
def mode(db):
    return one(db, "SELECT memory_mode()")
def fill(db, table="t", rows=3000):
    db.execute(f"CREATE TABLE {{table}}(x, y)")
    db.execute(f"WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {{rows}})"
               f"INSERT INTO {{table}} SELECT i, hex(zeroblob(50)) || i FROM n")
# What a linked program would call: dlsym() on SQLite's own handle would go past the preload
# library.
sqlite = ctypes.CDLL(os.environ.get("LD_PRELOAD") or "libsqlite3.so.0")
for name in ("sqlite3_memory_used", "sqlite3_memory_highwater", "sqlite3_soft_heap_limit64",
             "sqlite3_hard_heap_limit64"):
    getattr(sqlite, name).restype = ctypes.c_int64
"""


def run(code, preload=False, **environment):
    """Runs `code` after PRELUDE with the system's Python; returns what it printed."""
    variables = dict(os.environ, **environment)
    if preload:
        variables["LD_PRELOAD"] = PRELOAD
    done = subprocess.run(["/usr/bin/python3", "-c", PRELUDE + code], env=variables, text=True,
                          cwd=SCRATCH, capture_output=True, timeout=120, check=False)
    if done.returncode != 0:
        sys.exit(f"exit status {done.returncode} of:\n{code}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def expect_equal(what, left, right):
    if left != right:
        sys.exit(f"{what}: {left!r} is not {right!r}")


def main(cases):
    for case in cases:
        print(case.__name__, flush=True)
        case()
