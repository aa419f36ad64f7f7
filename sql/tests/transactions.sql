-- One's own transaction: how it is listed, that a kill leaves it alone and says so, and its WAL.
SELECT count(*) FROM open_transactions;
PRAGMA journal_mode = WAL;
CREATE TABLE t(a);
BEGIN;
SELECT state, why_not FROM open_transactions;
INSERT INTO t VALUES(1);
SELECT connection_id = sqlitemem_connection_id(), state, database_file LIKE '%test.db',
       started_at GLOB '20??-??-??T??:??:??Z', age_seconds >= 0, idle_seconds >= 0, is_in_use,
       is_killable, last_sql, wal_frames_pinned, blocks_checkpoint
FROM open_transactions;
SELECT count(*) FROM orphaned_transactions;
SELECT count(*) FROM orphaned_transactions(0);
SELECT count(*) FROM orphaned_transactions(1000);
SELECT kill_orphaned_transactions(0, 'force');
SELECT kill_orphaned_transactions(0, 'dry_run');
SELECT kill_id, mode, outcome, state, reason LIKE '%because it is the connection that asks.'
FROM transaction_kills;
SELECT schema, database_file LIKE '%test.db', page_bytes, wal_bytes > 0, frames > 0,
       checkpointed_frames <= frames, reader_frame = frames, oldest_reader_frame = frames,
       oldest_reader_connection_id = connection_id, is_oldest_elsewhere, pinned_frames
FROM wal_stats;
COMMIT;
SELECT count(*), count(oldest_reader_frame) FROM wal_stats;
SELECT count(*) FROM t;
-- Refusals in words.
SELECT kill_orphaned_transactions(-1);
SELECT kill_orphaned_transactions('soon');
SELECT kill_orphaned_transactions(0, 'gently');
SELECT count(*) FROM orphaned_transactions(-1);
SELECT setting, unit, vartype FROM memory_config WHERE name = 'orphan_idle_time';
PRAGMA journal_mode = DELETE;
SELECT count(*) FROM wal_stats;
