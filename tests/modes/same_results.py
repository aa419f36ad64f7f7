#!/usr/bin/env python3
# Runs a SQL script on a database file and prints every row: same_results.py SCRIPT FILE
# [EXTENSION].
import sqlite3
import sys


def main():
    script, file, *extension = sys.argv[1:]
    db = sqlite3.connect(file, isolation_level=None)
    if extension:
        db.enable_load_extension(True)
        db.load_extension(extension[0])
    statement = ""
    with open(script, encoding="utf-8") as lines:
        for line in lines:
            statement += line
            if sqlite3.complete_statement(statement):
                for row in db.execute(statement):
                    print(*row, sep="|")
                statement = ""
    db.close()


if __name__ == "__main__":
    main()
