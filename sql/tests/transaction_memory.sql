-- Variables and memory of transactions: what commits, rollbacks and savepoints leave.
SELECT txn_get('user') IS NULL AS outside;
SELECT txn_set('user', 'ada');
BEGIN;
SELECT txn_set('user', 'ada') AS set_to, txn_get('user') AS is_now;
SAVEPOINT a;
SELECT txn_set('user', 42), txn_set('blob', x'01ff'), txn_set('nothing', NULL);
SELECT name, typeof(value), quote(value) FROM txn_variables();
SELECT level, profile, state, used_bytes > 0 FROM transaction_arena_stats() WHERE level >= 0;
ROLLBACK TO a;
SELECT name, quote(value) FROM txn_variables();
ROLLBACK TO a;
RELEASE a;
SELECT txn_get('user');
COMMIT;
SELECT count(*) FROM txn_variables();
SELECT count(*) FROM transaction_arena_stats() WHERE state <> 'profile';
SELECT profile, initial_bytes, limit_bytes, commits, rollbacks FROM transaction_arena_stats();
-- A statement that fails takes back what it set.
CREATE TABLE t(a UNIQUE);
INSERT INTO t VALUES (2);
BEGIN;
INSERT INTO t SELECT txn_set('seen', value) FROM (SELECT 1 AS value UNION ALL SELECT 2);
SELECT txn_get('seen') IS NULL;
INSERT OR IGNORE INTO t SELECT txn_set('seen', value) FROM (SELECT 1 AS value UNION ALL SELECT 2);
SELECT txn_get('seen'), total_changes();
-- Arguments.
SELECT txn_set('', 1);
SELECT txn_set(NULL, 1);
SELECT txn_get(7);
-- The table that SQLite tells of the transaction is not for others.
INSERT INTO temp.sqlitemem_transaction VALUES ('x');
CREATE VIRTUAL TABLE mine USING sqlitemem_transaction;
-- Limits are named.
ROLLBACK;
UPDATE memory_config SET setting = 'off' WHERE name = 'transaction_arena_growth';
BEGIN;
SELECT length(txn_set('big', zeroblob(60000)));
SELECT length(txn_set('bigger', zeroblob(60000)));
SELECT limit_hits FROM transaction_arena_stats() WHERE state = 'transaction';
PRAGMA query_only = on;
ROLLBACK;
BEGIN;
SELECT txn_set('x', 1);
