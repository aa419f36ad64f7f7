#!/usr/bin/env python3
# The preload library's two halves: what every process gets, when the core is opened, from where
# only, and what a process without a core notices.
import os
import shutil
import subprocess
import sys

from support import BUILD, PRELOAD, SCRATCH, expect_equal, main

PROGRAMS = os.path.join(BUILD, "tests", "modes")
LIBSQLITE = "libsqlite3.so.0"
MODE = 'import sqlite3; print(sqlite3.connect(":memory:").execute("SELECT memory_mode()")' \
       ".fetchone()[0])"
ALONE = os.path.join(SCRATCH, "alone", "libsqlitemem_preload.so")
COMPLAINT = "sqlitemem: preloaded, but SQLite goes on without it: "


def start(command, preload, expected_status=0, directory=SCRATCH, **environment):
    """Runs the command; returns what it wrote to standard output and to standard error."""
    variables = dict(os.environ, LD_PRELOAD=preload, **environment)
    done = subprocess.run(command, env=variables, text=True, cwd=directory, capture_output=True,
                          timeout=120, check=False)
    if done.returncode != expected_status:
        sys.exit(f"exit status {done.returncode} of {command}:\n{done.stdout}{done.stderr}")
    return done.stdout, done.stderr


def python(code, preload, **more):
    return start(["/usr/bin/python3", "-c", code], preload, **more)


def expect_managed(output, errors):
    expect_equal("standard error", errors, "")
    assert output.startswith("managed: "), output


def expect_one_complaint(errors, reason):
    assert errors.startswith(COMPLAINT) and errors.count("\n") == 1 and reason in errors, errors


def put_alone():
    os.makedirs(os.path.dirname(ALONE), exist_ok=True)
    shutil.copy(PRELOAD, ALONE)


def without_sqlite_there_is_no_core():
    maps, _ = start(["cat", "/proc/self/maps"], PRELOAD)
    assert "libsqlitemem_preload.so" in maps and "/sqlitemem.so" not in maps, maps
    # Linked with SQLite, but not used.
    maps, _ = start(["cat", "/proc/self/maps"], f"{PRELOAD}:{LIBSQLITE}")
    assert "libsqlite3" in maps and "/sqlitemem.so" not in maps, maps
    # Loaded, and asked for nothing but its version.
    maps, _ = python(f"import ctypes; ctypes.CDLL('{LIBSQLITE}').sqlite3_libversion();"
                     "print(open('/proc/self/maps').read())", PRELOAD)
    assert "libsqlite3" in maps and "/sqlitemem.so" not in maps, maps
    maps, _ = python("import sqlite3; sqlite3.connect(':memory:');"
                     "print(open('/proc/self/maps').read())", PRELOAD)
    assert "/sqlitemem.so" in maps, maps


def the_stub_is_small():
    if os.environ.get("SQLITEMEM_SANITIZE"):
        print("  a sanitizer adds its own: skipped")
        return
    bytes_on_disk = os.path.getsize(PRELOAD)
    headers = subprocess.run(["readelf", "-lW", PRELOAD], text=True, capture_output=True,
                             check=True).stdout
    segments = [line.split() for line in headers.splitlines() if line.split()[:1] == ["LOAD"]]
    in_memory = sum(int(segment[5], 16) for segment in segments)
    relocations = subprocess.run(["readelf", "-rW", PRELOAD], text=True, capture_output=True,
                                 check=True).stdout
    at_start = [line for line in relocations.splitlines()
                if "R_" in line and "JUMP_SLO" not in line]
    print(f"  {bytes_on_disk} bytes, {in_memory} in memory, {len(at_start)} relocations at start")
    # 27 KiB as it ships; 34 KiB as an unoptimised build by clang.
    assert len(segments) <= 4 and 0 < in_memory < 36 * 1024, headers
    # A symbol would have to be looked for in every process.
    assert len(at_start) < 40 and all("RELATIVE" in line for line in at_start), relocations


def every_way_to_name_it_finds_the_core():
    leave = "import os; os.chdir('/'); "
    expect_managed(*python(leave + MODE, "./libsqlitemem_preload.so", directory=BUILD))
    expect_managed(*python(leave + MODE, os.path.relpath(PRELOAD, SCRATCH)))
    expect_managed(*python(MODE, "libsqlitemem_preload.so", LD_LIBRARY_PATH=BUILD))
    link = os.path.join(SCRATCH, "link.so")
    if os.path.lexists(link):
        os.remove(link)
    os.symlink(PRELOAD, link)
    expect_managed(*python(MODE, link))


def a_library_without_its_core_says_so_once_and_leaves_sqlite_alone():
    put_alone()
    work = 'import sqlite3, threading\n' \
           'def work():\n' \
           '    db = sqlite3.connect(":memory:"); db.execute("CREATE TABLE t(x)")\n' \
           '    db.executemany("INSERT INTO t VALUES(?)", ((str(i) * 9,) for i in range(5000)))\n' \
           '    row = db.execute("SELECT count(*) || max(x) || char(10) FROM t").fetchone()\n' \
           '    print(row[0], end="")\n' \
           'threads = [threading.Thread(target=work) for _ in range(4)]\n' \
           'for thread in threads: thread.start()\n' \
           'for thread in threads: thread.join()\n'
    output, errors = python(work, ALONE)
    expect_equal("the answers", output, python(work, "")[0])
    expect_one_complaint(errors, "neither beside the preload library nor in sqlitemem/")
    output, errors = start(["cat", "/proc/self/comm"], ALONE)
    expect_equal("a program without SQLite", (output, errors), ("cat\n", ""))


def without_its_core_every_call_reaches_sqlite():
    put_alone()
    asked = f"""
import ctypes, os
private = ctypes.CDLL('{LIBSQLITE}')
sqlite = ctypes.CDLL(os.environ['LD_PRELOAD'] or '{LIBSQLITE}')
""" + """
for name in ("memory_used", "memory_highwater", "soft_heap_limit64", "hard_heap_limit64"):
    getattr(sqlite, "sqlite3_" + name).restype = ctypes.c_int64
print(sqlite.sqlite3_config(9, 1), sqlite.sqlite3_config(9999, 1), sqlite.sqlite3_initialize())
db = ctypes.c_void_p(); statement = ctypes.c_void_p()
print(sqlite.sqlite3_open16(":memory:".encode("utf-16"), ctypes.byref(db)))
print(private.sqlite3_close(db), sqlite.sqlite3_open(b":memory:", ctypes.byref(db)))
print(private.sqlite3_close(db), sqlite.sqlite3_open_v2(b"", ctypes.byref(db), 6, None))
print(sqlite.sqlite3_exec(db, b"CREATE TABLE t(x); INSERT INTO t VALUES(1)", None, None, None))
print(private.sqlite3_prepare_v2(db, b"SELECT x FROM t", -1, ctypes.byref(statement), None))
print(private.sqlite3_step(statement), sqlite.sqlite3_reset(statement))
print(private.sqlite3_step(statement), sqlite.sqlite3_finalize(statement))
print(sqlite.sqlite3_memory_used() > 1000, sqlite.sqlite3_memory_highwater(0) > 1000)
now, highest = ctypes.c_int(), ctypes.c_int()
now64, highest64 = ctypes.c_int64(), ctypes.c_int64()
print(sqlite.sqlite3_status(0, ctypes.byref(now), ctypes.byref(highest), 0), now.value > 1000)
print(sqlite.sqlite3_status64(0, ctypes.byref(now64), ctypes.byref(highest64), 0))
print(now64.value == now.value)
print(sqlite.sqlite3_soft_heap_limit64(ctypes.c_int64(5 << 20)))
sqlite.sqlite3_soft_heap_limit(4 << 20)
print(sqlite.sqlite3_hard_heap_limit64(ctypes.c_int64(6 << 20)))
print(sqlite.sqlite3_hard_heap_limit64(ctypes.c_int64(-1)))
print(sqlite.sqlite3_soft_heap_limit64(ctypes.c_int64(-1)), sqlite.sqlite3_release_memory(0))
sqlite.sqlite3_reset_auto_extension()
print(private.sqlite3_close(db), private.sqlite3_shutdown())
"""
    output, errors = python(asked, ALONE)
    expect_equal("the answers", output, python(asked, "")[0])
    expect_one_complaint(errors, "neither beside")
    assert output.startswith("0 1 0\n0\n0 0\n0 0\n0\n0\n100 0\n"), output
    for name in ("sqlitemem_dynamic_host", "sqlitemem_two_sqlites", "sqlitemem_own_allocator"):
        plugin = os.path.join(PROGRAMS, "sqlitemem_plugin.so")
        arguments = {"sqlitemem_two_sqlites": [plugin, plugin],
                     "sqlitemem_own_allocator": ["in_front"]}.get(name, [])
        status = 1 if name == "sqlitemem_own_allocator" else 0  # It has no memory_mode().
        command = [os.path.join(PROGRAMS, name)] + arguments
        stock = start(command, "", expected_status=status)
        output, errors = start(command, ALONE, expected_status=status)
        expect_equal(name, output, stock[0])
        expect_one_complaint(errors, "neither beside")


def a_core_that_cannot_be_opened_is_named():
    put_alone()
    core = os.path.join(os.path.dirname(ALONE), "sqlitemem.so")
    program = MODE.replace("memory_mode()", "42")
    with open(core, "w", encoding="ascii") as file:
        file.write("not a library")
    output, errors = python(program, ALONE)
    expect_equal("the answer", output, "42\n")
    expect_one_complaint(errors, core)
    shutil.copy(os.path.join(PROGRAMS, "sqlitemem_plugin.so"), core)
    output, errors = python(program, ALONE)
    expect_equal("the answer", output, "42\n")
    expect_one_complaint(errors, "older version")
    os.remove(core)


def a_process_in_another_root_opens_nothing_there():
    if os.geteuid() != 0:
        print("  chroot() needs root: skipped")
        return
    # Somebody else's file, under the very name that the core had outside.
    trap = os.path.join(SCRATCH, "jail" + os.path.dirname(PRELOAD))
    os.makedirs(trap, exist_ok=True)
    for name in ("libsqlitemem_preload.so", "sqlitemem.so"):
        shutil.copy(os.path.join(BUILD, name), trap)
    jail = os.path.join(SCRATCH, "jail")
    output, errors = python(
        f"import ctypes, os, sys; sqlite = ctypes.CDLL('{LIBSQLITE}'); maps = '/proc/self/maps'\n"
        f"maps = open(maps); os.chroot('{jail}'); os.chdir('/'); db = ctypes.c_void_p()\n"
        "print(sqlite.sqlite3_open(b':memory:', ctypes.byref(db)), sqlite.sqlite3_close(db))\n"
        "print('/sqlitemem.so' in maps.read())\n", PRELOAD)
    expect_equal("the outcome", output, "0 0\nFalse\n")
    expect_one_complaint(errors, "changed its root directory")
    shutil.rmtree(jail)


main([without_sqlite_there_is_no_core, the_stub_is_small, every_way_to_name_it_finds_the_core,
      a_library_without_its_core_says_so_once_and_leaves_sqlite_alone,
      without_its_core_every_call_reaches_sqlite, a_core_that_cannot_be_opened_is_named,
      a_process_in_another_root_opens_nothing_there])
