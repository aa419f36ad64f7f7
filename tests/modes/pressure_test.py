# Memory pressure in whole processes: what is seen, what gives way, and what is refused.
import support
from support import run

# 40 MB of a file are read through the pool; the limit leaves room for less.
FILLED = """
def pressure(db, column):
    return one(db, f"SELECT {column} FROM memory_pressure")
def wait_for_sample(db, seconds=0.15):
    import time
    time.sleep(seconds)
    one(db, "SELECT length(randomblob(300000))")
def fill_file(db, megabytes):
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("CREATE TABLE IF NOT EXISTS big(x)")
    db.execute("BEGIN")
    for i in range(megabytes):
        db.execute("INSERT INTO big SELECT randomblob(1000) FROM"
                   "(WITH n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 1000)"
                   " SELECT i FROM n)")
    db.execute("COMMIT")
for name in ("p.db", "p.db-wal", "p.db-shm"):
    if os.path.exists(name):
        os.unlink(name)
"""


def clean_pages_give_way_before_the_limit_is_reached():
    run(FILLED + """
db = connect("p.db")
one(db, "SELECT memory_config('sample_interval', '100ms')")
one(db, "SELECT memory_config('buffer_pool_size', '64MB')")
fill_file(db, 40)
one(db, "SELECT sum(length(x)) FROM big")
check(one(db, "SELECT used_bytes FROM buffer_pool_stats") > 38_000_000)
one(db, "SELECT memory_config('memory_limit', '46MB')")
wait_for_sample(db)
wait_for_sample(db)
check(pressure(db, "limit_source") == "config", pressure(db, "limit_source"))
stage, action = pressure(db, "response_stage"), pressure(db, "last_action")
check(stage != "none" and action == "buffer_pool", stage, action)
held = one(db, "SELECT held_bytes FROM heap_stats")
check(held < 0.9 * 46 * 1024 * 1024, held)
rows = db.execute("SELECT cause, returned_bytes FROM memory_responses"
                  " WHERE action = 'buffer_pool'").fetchall()
check(rows and all(cause.startswith("pressure: ") for cause, _ in rows), rows)
check(sum(freed for _, freed in rows) > 1_000_000, rows)
check(one(db, "SELECT sum(length(x)) FROM big") == 40_000_000)
check(one(db, "PRAGMA integrity_check") == "ok")
check(one(db, "SELECT memory_heap_check()") == "ok")
""", preload=True)


def nothing_is_done_with_response_mode_off():
    run(FILLED + """
db = connect("p.db")
one(db, "SELECT memory_config('response_mode', 'off')")
one(db, "SELECT memory_config('sample_interval', '100ms')")
one(db, "SELECT memory_config('buffer_pool_size', '64MB')")
fill_file(db, 40)
one(db, "SELECT sum(length(x)) FROM big")
one(db, "SELECT memory_config('memory_limit', '46MB')")
wait_for_sample(db)
wait_for_sample(db)
check(pressure(db, "level") != "normal", pressure(db, "level"))
check(pressure(db, "response_stage") == "none")
check(one(db, "SELECT used_bytes FROM buffer_pool_stats") > 38_000_000)
check(one(db, "SELECT count(*) FROM memory_responses") == 0)
""", preload=True)


def an_idle_process_is_seen_by_the_monitors_thread():
    run(FILLED + """
import time
db = connect()
check(one(db, "SELECT count(*) FROM memory_history") == 1)
one(db, "SELECT memory_config('sample_interval', '100ms')")
one(db, "SELECT memory_config('monitor', 'thread')")
time.sleep(1.2)
check(one(db, "SELECT count(*) FROM memory_history") >= 8)
one(db, "SELECT memory_config('monitor', 'off')")
check(len(os.listdir("/proc/self/task")) == 1)
one(db, "SELECT memory_config('monitor', 'thread')")
child = os.fork()
if child == 0:
    check(len(os.listdir("/proc/self/task")) == 1)
    again = connect("p.db")
    time.sleep(0.5)
    check(len(os.listdir("/proc/self/task")) == 2)
    check(one(again, "SELECT count(*) FROM memory_history") >= 2)
    os._exit(0)
check(os.waitpid(child, 0)[1] == 0)
""", preload=True)


def a_full_in_memory_database_can_still_be_emptied():
    run("""
db = connect()
one(db, "SELECT memory_config('memory_limit', '24MB')")
db.execute("CREATE TABLE t(x)")
try:
    while True:
        db.execute("INSERT INTO t VALUES(randomblob(2000))")
except (MemoryError, sqlite3.OperationalError):
    pass
rows = one(db, "SELECT count(*) FROM t")
check(rows > 5000, rows)
db.execute("DELETE FROM t WHERE rowid <= 200")
check(one(db, "SELECT count(*) FROM t") < rows)
check(one(db, "SELECT refused_requests FROM memory_pressure") >= 0)
check(one(db, "PRAGMA integrity_check") == "ok")
""", preload=True)


def new_connections_are_refused_in_an_emergency_of_mode_full():
    run(FILLED + """
db = connect()
one(db, "SELECT memory_config('response_mode', 'full')")
one(db, "SELECT memory_config('sample_interval', '100ms')")
other = connect()
holding = other.execute("SELECT randomblob(19000000) UNION ALL SELECT 1")
one(db, "SELECT force_garbage_collection()")
held = one(db, "SELECT held_bytes FROM heap_stats")
check(held > 19_000_000, held)
one(db, f"SELECT memory_config('memory_limit', {int(held / 0.925)})")
wait_for_sample(db)
wait_for_sample(db)
check(pressure(db, "response_stage") in ("emergency", "refusal"), pressure(db, "response_stage"))
try:
    sqlite3.connect("p.db")
    check(False, "a connection was not refused")
except sqlite3.OperationalError as refused:
    check("memory is short" in str(refused), refused)
holding.close()
for _ in range(80):
    wait_for_sample(db)
    if pressure(db, "response_stage") not in ("emergency", "refusal"):
        break
sqlite3.connect("p.db").close()
""", preload=True)


def reading_the_tables_kept_the_response_from_coming():
    run(FILLED + """
import time
db, watcher = connect("p.db"), connect()
one(db, "SELECT memory_config('sample_interval', '100ms')")
one(db, "SELECT memory_config('buffer_pool_size', '64MB')")
fill_file(db, 40)
one(db, "SELECT sum(length(x)) FROM big")
one(db, "SELECT memory_config('memory_limit', '46MB')")
for _ in range(60):
    time.sleep(0.01)
    pressure(watcher, "level")
    one(db, "SELECT length(randomblob(300000))")
check(pressure(db, "response_stage") != "none")
check(one(db, "SELECT count(*) FROM memory_responses") > 0)
""", preload=True)


def the_thread_could_not_be_ended_while_another_connection_started_it():
    run("""
done = []
def toggle(words):
    db = connect(load=False)
    for word in words * 150:
        one(db, f"SELECT memory_config('monitor', '{word}')")
    done.append(1)
threads = [threading.Thread(target=toggle, args=(words,), daemon=True)
           for words in (["off"], ["thread"], ["off", "thread"])]
for thread in threads: thread.start()
for thread in threads: thread.join(60)
check(len(done) == 3, done)
db = connect(load=False)
one(db, "SELECT memory_config('monitor', 'off')")
import time
for _ in range(500):  # join() returns a moment before the kernel's thread is gone.
    if len(os.listdir("/proc/self/task")) == 1: break
    time.sleep(0.01)
check(len(os.listdir("/proc/self/task")) == 1)
""", preload=True)


def a_limit_that_is_refused_was_in_force_for_a_moment():
    run("""
refused = []
db = connect(load=False)
db.execute("CREATE TABLE t(x)")
def lower():
    other = connect(load=False)
    for _ in range(300):
        try:
            one(other, "SELECT memory_config('memory_limit', '1kB')")
            refused.append("was not")
        except sqlite3.IntegrityError:
            pass
thread = threading.Thread(target=lower)
thread.start()
while thread.is_alive():
    db.execute("DELETE FROM t")
    db.execute("INSERT INTO t SELECT randomblob(400000)")
thread.join()
check(not refused, refused)
check(one(db, "SELECT refused_requests FROM memory_pressure") == 0)
""", preload=True)


def observing_mode_did_something_when_the_environment_said_so():
    run("""
resource = __import__("resource")
import time
db = connect()
check(mode(db).startswith("observing"))
time.sleep(0.5)
check(one(db, "SELECT count(*) FROM memory_responses") == 0)
check(one(db, "SELECT response_stage FROM memory_pressure") == "none")
""", SQLITEMEM_ATTACH="never", SQLITEMEM_MONITOR="thread", SQLITEMEM_SAMPLE_INTERVAL="100ms",
        SQLITEMEM_RESPONSE_MODE="full", SQLITEMEM_MEMORY_LIMIT="1MB")


def active_alerts_are_those_of_memory_alerts():
    run(FILLED + """
db = connect()
ACTIVE = "SELECT count(*) FROM memory_alerts WHERE cleared_at IS NULL"
one(db, "SELECT memory_config('sample_interval', '100ms')")
one(db, "SELECT memory_config('memory_limit', '1GB')")
check(pressure(db, "active_alerts") == one(db, ACTIVE))
db.execute("CREATE TABLE kept AS SELECT zeroblob(40000000) AS x")
used = one(db, "SELECT held_bytes FROM heap_stats")
one(db, "SELECT memory_config('memory_limit', ?)", str(used * 100 // 80))
wait_for_sample(db)
active = one(db, ACTIVE)
check(active >= 1, pressure(db, "usage_percent"))
check(pressure(db, "active_alerts") == active, active)
""", preload=True)


support.main([active_alerts_are_those_of_memory_alerts,
              clean_pages_give_way_before_the_limit_is_reached,
              nothing_is_done_with_response_mode_off,
              an_idle_process_is_seen_by_the_monitors_thread,
              a_full_in_memory_database_can_still_be_emptied,
              new_connections_are_refused_in_an_emergency_of_mode_full,
              reading_the_tables_kept_the_response_from_coming,
              the_thread_could_not_be_ended_while_another_connection_started_it,
              a_limit_that_is_refused_was_in_force_for_a_moment,
              observing_mode_did_something_when_the_environment_said_so])
