#!/usr/bin/env python3
# Writes a program's own sqlitemem metrics where node_exporter's textfile collector reads them.
"""Import it in the program that is to be measured: sqlitemem sees its own process, no other.

    import sqlitemem_textfile
    writer = sqlitemem_textfile.start("/var/lib/prometheus/node-exporter", "shop")
    ...
    writer.stop()

Every 15 seconds the thread asks prometheus_metrics() on a connection of its own, and replaces
<directory>/<name>.prom in one step. Each series gets the label process="<name>", because
node_exporter refuses the same series from two files. The program runs under
LD_PRELOAD=libsqlitemem_preload.so, or `connect` returns a connection that has loaded the extension.
A process made by fork() has to call start() itself, with another name.
"""
import atexit
import logging
import os
import re
import sqlite3
import tempfile
import threading

log = logging.getLogger(__name__)

_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")


def with_label(text, name, value):
    """The metrics in `text` with one more label on every sample."""
    quoted = value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
    lines = []
    for line in text.splitlines():
        sample = None if line.startswith("#") or not line else _SAMPLE.match(line)
        if sample:
            metric, labels, number = sample.groups()
            labels = f'{name}="{quoted}"' + (f",{labels}" if labels else "")
            line = f"{metric}{{{labels}}} {number}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def replace_file(path, text):
    """Whoever reads `path` sees the old text or the new one, never a part."""
    directory, name = os.path.split(path)
    # Not *.prom: node_exporter would read it half-written.
    descriptor, scratch = tempfile.mkstemp(prefix=f".{name}.", suffix=".new", dir=directory or ".")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(scratch, 0o644)
        os.replace(scratch, path)
    except BaseException:
        os.unlink(scratch)
        raise


class Writer:
    """Writes until stop(); what goes wrong is logged once until it works again."""

    def __init__(self, directory, name, connect=None, interval_seconds=15.0):
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
            raise ValueError(f"{name!r} is no name for a file: letters, digits, _ . -")
        self._path = os.path.join(directory, f"{name}.prom")
        self._name = name
        self._connect = connect or (lambda: sqlite3.connect(":memory:"))
        self._interval_seconds = interval_seconds
        self._stopped = threading.Event()
        self._process_id = os.getpid()
        self._has_failed = False
        self._thread = threading.Thread(target=self._run, name="sqlitemem_textfile", daemon=True)

    def _write(self, connection):
        try:
            (text,) = connection.execute("SELECT prometheus_metrics()").fetchone()
            replace_file(self._path, with_label(text, "process", self._name))
            self._has_failed = False
        except (sqlite3.Error, OSError) as error:
            if not self._has_failed:
                log.warning("%s is not written: %s", self._path, error)
            self._has_failed = True

    def _run(self):
        connection = None
        while True:
            try:
                connection = connection or self._connect()
            except (sqlite3.Error, OSError) as error:
                if not self._has_failed:
                    log.warning("%s is not written: %s", self._path, error)
                self._has_failed = True
            else:
                self._write(connection)
            if self._stopped.wait(self._interval_seconds):
                break
        if connection is not None:
            connection.close()

    def start(self):
        self._thread.start()
        atexit.register(self.stop)
        return self

    def stop(self):
        """Ends the thread and removes the file: a process that is gone has no figures."""
        # A child of fork() has neither the thread nor the right to its parent's file.
        if self._stopped.is_set() or os.getpid() != self._process_id:
            return
        self._stopped.set()
        self._thread.join()
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            pass
        except OSError as error:
            log.warning("%s stays: %s", self._path, error)


def start(directory, name, connect=None, interval_seconds=15.0):
    """Starts to write, and returns what has stop()."""
    return Writer(directory, name, connect, interval_seconds).start()
