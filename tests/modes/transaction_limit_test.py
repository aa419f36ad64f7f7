# What connections keep for their next transaction does not stand in the way of others' requests.
import support
from support import run

# 30 MB of the limit stay with two connections at rest; 55 MB more do not fit beside them.
KEPT = """
import sqlite3
idle, second, other = connect(), connect(), connect()
one(idle, "SELECT memory_config('memory_limit', '64MB')")
one(idle, "SELECT memory_config('response_mode', 'off')")  # Else they give way under pressure.
kept = "SELECT sum(reserved_bytes) FROM transaction_arena_stats"
def keep():
    for db in (idle, second):
        db.execute("BEGIN")
        check(one(db, "SELECT length(txn_set('a', randomblob(15000000)))") == 15_000_000)
        db.execute("COMMIT")
    check(one(idle, kept) >= 30_000_000)
"""


def a_large_value_is_not_refused_while_idle_transactions_keep_memory():
    run(KEPT + """
keep()
check(one(other, "SELECT length(randomblob(55000000))") == 55_000_000)
check(one(other, kept) == 0)
check(one(other, "SELECT memory_heap_check()") == "ok")
""", preload=True)


def a_transaction_is_not_refused_memory_that_another_keeps_at_rest():
    script = KEPT + """
keep()
other.execute("BEGIN")
# The value, what is kept of it, and the result: three times 20 MB.
check(one(other, "SELECT length(txn_set('a', randomblob(20000000)))") == 20_000_000)
check(one(other, "SELECT length(txn_get('a'))") == 20_000_000)
check(one(other, "SELECT memory_heap_check()") == "ok")
other.execute("ROLLBACK")
"""
    run(script, preload=True)
    run(script)


def an_open_transaction_keeps_its_memory():
    run(KEPT + """
idle.execute("BEGIN")
one(idle, "SELECT length(txn_set('a', randomblob(20000000)))")
try:
    one(other, "SELECT length(randomblob(55000000))")
    check(False)
except (MemoryError, sqlite3.Error):
    pass
check(one(idle, "SELECT length(txn_get('a'))") == 20_000_000)
idle.execute("ROLLBACK")
check(one(other, "SELECT length(randomblob(55000000))") == 55_000_000)
""", preload=True)


support.main([a_large_value_is_not_refused_while_idle_transactions_keep_memory,
              a_transaction_is_not_refused_memory_that_another_keeps_at_rest,
              an_open_transaction_keeps_its_memory])
