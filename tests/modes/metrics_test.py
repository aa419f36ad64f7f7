# The metrics of whole programs, read by Prometheus's own tools; dashboard, alert rules, text files.
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import support
from support import SCRATCH, expect_equal, run

SOURCE = os.environ["SQLITEMEM_SOURCE_DIR"]
GRAFANA = os.path.join(SOURCE, "examples", "grafana")
TEXTFILE = os.path.join(SOURCE, "examples", "textfile-collector")

# Everything that has metrics: pages, plans, a write-ahead log, a collection, open transactions.
WORK = """
for name in ("metrics.db", "metrics.db-wal", "metrics.db-shm"):
    if os.path.exists(name):
        os.remove(name)
db = connect("metrics.db", load=LOAD)
db.execute("PRAGMA journal_mode = WAL")
fill(db, rows=20000)
reader = connect("metrics.db", load=LOAD)
reader.execute("BEGIN")
one(reader, "SELECT count(*) FROM t WHERE y > ''")
db.execute("UPDATE t SET x = x + 1")
one(db, "SELECT force_garbage_collection()")
db.execute("BEGIN")
one(db, "SELECT txn_set('a', 1)")
print(one(db, FORMAT), end="")
"""
MODES = {
    "managed": {"preload": True},
    "attached": {},
    "observing": {"SQLITEMEM_ATTACH": "never"},
}


def metrics_of(mode, metric_format):
    question = f"SELECT prometheus_metrics({metric_format!r})"
    settings = f"LOAD = {mode != 'managed'}\nFORMAT = {question!r}\n"
    return run(settings + WORK, **MODES[mode])


def has_tool(found, what):
    if found:
        return True
    if os.environ.get("CI"):
        sys.exit(f"{what} is missing: the list CI_PACKAGES of the Makefile has it")
    print(f"skipped, because {what} is not installed")
    return False


def promtool(*arguments, text=None):
    """Its complaints; empty if there is none."""
    done = subprocess.run(["promtool", *arguments], input=text, text=True, capture_output=True,
                          timeout=120, check=False)
    if done.returncode == 0 and "no help text" not in done.stderr:
        return ""
    return done.stdout + done.stderr or f"exit status {done.returncode}"


def has_promtool():
    return has_tool(shutil.which("promtool"), "promtool (package prometheus)")


def promtool_finds_nothing_wrong_with_the_metrics():
    if not has_promtool():
        return
    expect_equal("a name that is wrong", promtool("check", "metrics", text="a_total_mb 1\n") == "",
                 False)
    for mode in MODES:
        expect_equal(mode, promtool("check", "metrics", text=metrics_of(mode, "prometheus")), "")


def the_strict_parser_reads_openmetrics():
    try:
        from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
    except ImportError:
        parse = None
    if not has_tool(parse, "prometheus_client (package python3-prometheus-client)"):
        return
    for mode in MODES:
        families = {family.name: family for family in parse(metrics_of(mode, "openmetrics"))}
        expect_equal(mode, families["sqlitemem_memory_bytes"].unit, "bytes")
        expect_equal(mode, families["sqlitemem_response_steps"].type, "counter")


def the_alert_rules_are_rules_and_fire_when_they_should():
    if not has_promtool():
        return
    expect_equal("rules", promtool("check", "rules", os.path.join(GRAFANA, "alerts.yml")), "")
    unit_tests = os.path.join(SOURCE, "tests", "metrics", "alerts_test.yml")
    expect_equal("their tests", promtool("test", "rules", unit_tests), "")


def read_dashboard():
    with open(os.path.join(GRAFANA, "sqlitemem.json"), encoding="utf-8") as file:
        return json.load(file)


def the_dashboard_can_be_imported_anywhere():
    dashboard = read_dashboard()
    expect_equal("id", dashboard["id"], None)
    expect_equal("uid", dashboard["uid"], "sqlitemem-overview")
    expect_equal("inputs", [each["name"] for each in dashboard["__inputs"]], ["DS_PROMETHEUS"])
    expect_equal("variables", [each["name"] for each in dashboard["templating"]["list"]],
                 ["job", "instance"])
    panels = dashboard["panels"]
    expect_equal("numbers", len({panel["id"] for panel in panels}), len(panels))
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        expect_equal(f"{panel['title']} overlaps", cells & taken, set())
        expect_equal(f"{panel['title']} fits", place["x"] + place["w"] <= 24, True)
        taken |= cells
        for target in panel.get("targets", []):
            expect_equal(panel["title"], target["datasource"]["uid"], "${DS_PROMETHEUS}")
            expect_equal(panel["title"], 'job=~"$job",instance=~"$instance"' in target["expr"],
                         True)
        if panel["type"] != "row":
            unit = panel["fieldConfig"]["defaults"]["unit"]
            units = ("bytes", "Bps", "percentunit", "s", "ops", "none")
            expect_equal(panel["title"], unit in units, True)


def the_dashboards_queries_are_queries():
    if not has_promtool():
        return
    rules = ["groups:", "- name: dashboard", "  rules:"]
    for panel in read_dashboard()["panels"]:
        for target in panel.get("targets", []):
            expression = re.sub(r"\$__(rate_interval|range)", "5m", target["expr"])
            rules += [f"  - record: panel_{panel['id']}_{target['refId']}",
                      f"    expr: {json.dumps(expression)}"]
    path = os.path.join(SCRATCH, "dashboard_rules.yml")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(rules) + "\n")
    expect_equal("queries", promtool("check", "rules", path), "")


WRITE = f"""
import logging
sys.dont_write_bytecode = True
sys.path.insert(0, {TEXTFILE!r})
import sqlitemem_textfile
written = threading.Semaphore(0)
replace_file = sqlitemem_textfile.replace_file
def replace_and_tell(path, text):
    replace_file(path, text)
    written.release()
sqlitemem_textfile.replace_file = replace_and_tell
def wait_for(semaphore):
    check(semaphore.acquire(timeout=60), "nothing came in a minute")
"""


def the_textfile_is_there_while_the_program_is():
    with tempfile.TemporaryDirectory(dir=SCRATCH) as directory:
        written = run(WRITE + f"""
directory = {directory!r}
path = os.path.join(directory, "shop.prom")
writer = sqlitemem_textfile.start(directory, "shop", interval_seconds=0.01)
wait_for(written)
first = open(path)
for again in range(3):
    wait_for(written)
check(not os.path.sameopenfile(first.fileno(), os.open(path, os.O_RDONLY)), "written over")
check(os.fstat(first.fileno()).st_mode & 0o777 == 0o644)
writer.stop()
check(os.listdir(directory) == [], os.listdir(directory))
writer = sqlitemem_textfile.start(directory, "shop", interval_seconds=600)
wait_for(written)
while written.acquire(blocking=False):
    pass
other = sqlitemem_textfile.start(directory, "queue", connect=lambda: connect(),
                                 interval_seconds=600)
wait_for(written)
for name in sorted(os.listdir(directory)):
    if name.endswith(".prom"):
        print(open(os.path.join(directory, name)).read(), end="")
if os.fork() == 0:
    writer.stop()  # Not the child's to remove.
    os._exit(0)
os.wait()
check(os.path.exists(path))
writer.stop()
writer.stop()
check(os.listdir(directory) == ["queue.prom"], os.listdir(directory))
""", preload=True)
        expect_equal("left behind", os.listdir(directory), [])  # atexit took the other one.
    live = 'sqlitemem_memory_bytes{process="%s",component="live",category="allocator"} '
    for process in ("shop", "queue"):
        expect_equal(process, live % process in written, True)
    samples = [line.rsplit(" ", 1)[0] for line in written.splitlines()
               if line and not line.startswith("#")]
    expect_equal("series", len(samples), len(set(samples)))
    expect_equal("labels", [line for line in samples if '{process="' not in line], [])


def what_cannot_be_written_is_said_once():
    said = run(WRITE + """
logging.basicConfig(format="%(message)s")
tries = threading.Semaphore(0)
def broken():
    tries.release()
    raise sqlite3.OperationalError("no such extension")
writers = [sqlitemem_textfile.start("/nowhere", "shop", interval_seconds=0.01),
           sqlitemem_textfile.start(".", "shop", connect=broken, interval_seconds=0.01)]
for again in range(3):
    wait_for(tries)
for writer in writers:
    writer.stop()
for name in ("", "a/b", "..", ".hidden", "a b"):
    try:
        sqlitemem_textfile.start(".", name)
        check(False, name)
    except ValueError as error:
        check("is no name for a file" in str(error), error)
label = sqlitemem_textfile.with_label
check(label('a{b="} 1"} 2\\n# HELP c {\\nd 3\\n', "p", 'q"\\\\\\n') ==
      'a{p="q\\\\"\\\\\\\\\\\\n",b="} 1"} 2\\n# HELP c {\\nd{p="q\\\\"\\\\\\\\\\\\n"} 3\\n')
""", preload=True)
    expect_equal("said", sorted(line.split(": ")[0] for line in said.splitlines()),
                 ["./shop.prom is not written", "/nowhere/shop.prom is not written"])


def the_shells_one_liner_works():
    with tempfile.TemporaryDirectory(dir=SCRATCH) as directory:
        path = os.path.join(directory, "import.prom")
        subprocess.run(
            ["sqlite3", "-batch", "-init", "/dev/null", ":memory:",
             f".load {support.EXTENSION}", f".once {path}.new", "SELECT prometheus_metrics();",
             f".shell mv {path}.new {path}"], check=True, timeout=60)
        with open(path, encoding="utf-8") as file:
            expect_equal("metrics", "sqlitemem_heap_live_bytes " in file.read(), True)


support.main([promtool_finds_nothing_wrong_with_the_metrics,
              the_strict_parser_reads_openmetrics,
              the_alert_rules_are_rules_and_fire_when_they_should,
              the_dashboard_can_be_imported_anywhere,
              the_dashboards_queries_are_queries,
              the_textfile_is_there_while_the_program_is,
              what_cannot_be_written_is_said_once,
              the_shells_one_liner_works])
