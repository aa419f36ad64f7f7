# A trace of page references is what the program did, in the format that replay_traces reads.
import collections
import os
import struct
import subprocess
import sys

from support import PRELOAD, SCRATCH, main

PYTHON = "/usr/bin/python3"
REPLAY = os.path.join(os.environ["SQLITEMEM_BUILD_DIR"], "bench", "replay_traces")
os.chdir(SCRATCH)

WORK = r'''
import os, sqlite3, sys
db = sqlite3.connect("work.db", isolation_level=None)
db.execute("CREATE TABLE t(a INTEGER PRIMARY KEY, b)")
db.execute("BEGIN")
db.executemany("INSERT INTO t VALUES(?, zeroblob(900))", ((i,) for i in range(4000)))
db.execute("COMMIT")
db.execute("ATTACH ':memory:' AS m")
db.execute("CREATE TABLE m.t AS SELECT * FROM t LIMIT 1000")
two = sqlite3.connect("work.db", isolation_level=None)
for i in range(3000):
    two.execute("SELECT b FROM t WHERE a = ?", (i * i % 4000,)).fetchone()
print(two.execute("PRAGMA page_count").fetchone()[0])
print(two.execute("SELECT memory_mode()").fetchone()[0])
'''


def check(condition, *shown):
    if not condition:
        sys.exit(" ".join(["check failed:", *map(str, shown)]))


def run(work, trace, **more):
    if os.path.exists("work.db"):
        os.remove("work.db")
    environment = {**os.environ, "LD_PRELOAD": PRELOAD, "SQLITEMEM_BUFFER_POOL_TRACE": trace}
    return subprocess.run([PYTHON, "-c", work], env={**environment, **more}, capture_output=True,
                          text=True)


def fresh(name):
    if os.path.exists(name):
        os.remove(name)
    return name


def words_of(name):
    with open(name, "rb") as file:
        data = file.read()
    check(len(data) % 4 == 0, name, "ends in the middle of a word")
    return [word for (word,) in struct.iter_unpack("<I", data)]


def a_recorded_workload_can_be_replayed():
    name = fresh("work.u32")
    done = run(WORK + "two.close()\ndb.close()\n", name)
    check(done.returncode == 0, done.stderr)
    pages, mode = done.stdout.splitlines()
    check("work.u32: being written." in mode, mode)
    check("SQLITEMEM_BUFFER_POOL_TRACE: unknown" not in mode, mode)
    fetched, dropped = collections.defaultdict(set), []
    references = collections.Counter()
    for word in words_of(name):
        number, cache = word & 0xFFFFFF, word >> 24 & 31
        if word >> 29 & 1:
            dropped.append((cache, number))
        else:
            fetched[cache].add(number)
            references[cache, word >> 31] += 1
    check(len(fetched) == 2, "the caches of two connections, none of a database in memory", fetched)
    check(max(fetched[0]) == int(pages), fetched[0], pages)
    check(fetched[1] <= fetched[0])
    # Each look-up goes through the root to a leaf.
    check(references[1, 0] >= 2 * 3000, references)
    check(references[0, 1] > 4000, "pages that a transaction holds are pinned", references)
    check((0, 0) in dropped and (1, 0) in dropped, "both caches were destroyed", dropped)
    if os.path.exists(REPLAY):
        replayed = subprocess.run([REPLAY, "--sizes=10", name], capture_output=True, text=True)
        check(replayed.returncode == 0, replayed.stderr)
        check("work" in replayed.stdout and "s3fifo" in replayed.stdout.lower(), replayed.stdout)


def a_trace_does_not_depend_on_evictions():
    kept = []
    for size in ("100MB", "500kB"):
        name = fresh("size.u32")
        done = run(WORK + "two.close()\ndb.close()\n", name, SQLITEMEM_BUFFER_POOL_SIZE=size)
        check(done.returncode == 0, done.stderr)
        # Of a look-up only a hit is recorded, so that bit may differ.
        kept.append([word & ~(1 << 30) for word in words_of(name) if word >> 24 & 31 == 1])
    check(kept[0] == kept[1], len(kept[0]), len(kept[1]))


def an_existing_file_stays_as_it_is_and_memory_mode_says_so():
    with open("mine.txt", "w") as file:
        file.write("precious")
    done = run(WORK, "mine.txt")
    check(done.returncode == 0, done.stderr)
    check("mine.txt: it cannot be made (File exists)." in done.stdout, done.stdout)
    with open("mine.txt") as file:
        check(file.read() == "precious")
    done = run(WORK, "absent/work.u32")
    check("absent/work.u32: it cannot be made (No such file or directory)." in done.stdout,
          done.stdout)


def without_a_pool_there_is_no_trace_and_memory_mode_says_so():
    name = fresh("none.u32")
    done = run(WORK, name, SQLITEMEM_BUFFER_POOL="off")
    check(done.returncode == 0, done.stderr)
    check("not made, because SQLite's pages are not in the buffer pool" in done.stdout, done.stdout)
    check(not os.path.exists(name))


FORK = WORK + r'''
child = os.fork()
if child == 0:
    three = sqlite3.connect("other.db", isolation_level=None)
    three.execute("CREATE TABLE IF NOT EXISTS t AS SELECT zeroblob(100000)")
    print(three.execute("SELECT memory_mode()").fetchone()[0])
    three.close()
    sys.stdout.flush()
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
two.close(); db.close()
print(os.path.getsize("fork-%d.u32" % os.getpid()))
'''


def the_child_of_a_fork_writes_nothing():
    done = run(FORK, "fork-%p.u32")
    check(done.returncode == 0, done.stderr)
    check("written by the parent of this process only." in done.stdout, done.stdout)
    size = int(done.stdout.splitlines()[-1])
    names = [name for name in os.listdir() if name.startswith("fork-")]
    check(len(names) == 1 and os.path.getsize(names[0]) == size, names, size)
    destroyed = [word for word in words_of(names[0]) if word >> 29 & 1 and word & 0xFFFFFF == 0]
    check(len(destroyed) == 2, "the child's caches are not in it", destroyed)
    os.remove(names[0])


def a_full_disk_ends_the_trace_and_nothing_else():
    name = fresh("full.u32")
    limited = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (5 << 20, 5 << 20))\n" \
              "import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    work = limited + WORK.replace("range(3000)", "range(450000)")
    done = run(work, name)
    check(done.returncode == 0, done.stderr)
    check("full.u32: it cannot be written (File too large)." in done.stdout, done.stdout)
    check(0 < len(words_of(name)) * 4 <= 5 << 20, os.path.getsize(name))


main([a_recorded_workload_can_be_replayed,
      a_trace_does_not_depend_on_evictions,
      an_existing_file_stays_as_it_is_and_memory_mode_says_so,
      without_a_pool_there_is_no_trace_and_memory_mode_says_so,
      the_child_of_a_fork_writes_nothing,
      a_full_disk_ends_the_trace_and_nothing_else])
