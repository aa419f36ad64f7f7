-- memory_by_connection: what each connection uses, and how well its page cache serves it.
CREATE TEMP VIEW IF NOT EXISTS memory_by_connection AS
SELECT connection_id, coalesce(database_file, '(in memory)') AS database,
       total_bytes, cache_used_bytes, cache_share_bytes, schema_used_bytes, stmt_used_bytes,
       round(100.0 * cache_hits / nullif(cache_hits + cache_misses, 0), 1) AS cache_hit_percent,
       open_statements, is_stale
FROM connection_memory
ORDER BY total_bytes DESC, connection_id;
