-- Why a WAL grows: what no checkpoint can copy, and which connection, with which SQL, prevents it.
WITH logs AS (
  SELECT DISTINCT database_file, wal_bytes, frames, checkpointed_frames,
         coalesce(pinned_frames, 0) AS pinned, oldest_reader_connection_id, is_oldest_elsewhere
  FROM wal_stats
)
SELECT l.database_file AS database, printf('%.1f MB', l.wal_bytes / 1048576.0) AS wal,
       l.frames, l.checkpointed_frames AS checkpointed, l.pinned,
       CASE
         WHEN l.pinned > 0 AND t.connection_id IS NOT NULL THEN
           printf('connection %d has had a transaction open for %d s, idle for %d s',
                  t.connection_id, t.age_seconds, t.idle_seconds)
         WHEN l.pinned > 0 AND l.is_oldest_elsewhere THEN 'another process reads old pages'
         WHEN l.pinned > 0 THEN 'a connection that is in use just now reads old pages'
         WHEN l.frames > l.checkpointed_frames THEN
           'no reader prevents a checkpoint, and the next one copies the rest'
         ELSE 'all is copied, and the next writer may start the log again'
       END AS verdict,
       t.thread_id AS thread, t.owner_alive, t.is_killable, t.last_sql
FROM logs AS l LEFT JOIN open_transactions AS t
     ON t.connection_id = l.oldest_reader_connection_id
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, 'no connection of this process uses a WAL', NULL, NULL, NULL,
       NULL
WHERE NOT EXISTS (SELECT * FROM logs)
ORDER BY pinned DESC, database;
