-- connection_memory sees this connection, its file, and what its statements do to it.
SELECT count(*), sum(is_stale) FROM connection_memory;
CREATE TABLE t(a);
INSERT INTO t VALUES(1), (2);
SELECT database_file LIKE '%test.db', opened_at GLOB '20??-??-??T??:??:??Z', cache_used_bytes > 0,
       total_bytes >= cache_share_bytes + schema_used_bytes, busy_statements >= 1
FROM connection_memory;
BEGIN IMMEDIATE;
SELECT txn_state FROM connection_memory;
COMMIT;
