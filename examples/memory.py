#!/usr/bin/env python3
# What a Python program sees: load the extension (its path is the argument), or preload it.
import sqlite3
import sys


def main():
    db = sqlite3.connect(":memory:")
    if len(sys.argv) > 1:
        db.enable_load_extension(True)
        db.load_extension(sys.argv[1])
        db.enable_load_extension(False)

    db.execute("CREATE TABLE words(word TEXT PRIMARY KEY, uses INTEGER)")
    rows = ((f"word {i}", i % 100) for i in range(10_000))
    db.executemany("INSERT INTO words VALUES(?, ?)", rows)
    print(*db.execute("SELECT count(*), sum(uses) FROM words").fetchone())

    print(db.execute("SELECT memory_mode()").fetchone()[0])
    query = """SELECT component, memory_mb, percentage FROM memory_stats()
               ORDER BY memory_mb DESC LIMIT 5"""
    for component, megabytes, percentage in db.execute(query):
        print(f"{component:30} {megabytes or 0:10.3f} MB {percentage or 0:6.1f} %")


if __name__ == "__main__":
    main()
