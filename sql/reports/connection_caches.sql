-- Each connection's page cache, statements and hit ratio, the largest first.
SELECT connection_id AS id, coalesce(database_file, '(in memory)') AS database,
       printf('%.2f MB', cache_used_bytes / 1048576.0) AS cache,
       printf('%.1f kB', stmt_used_bytes / 1024.0) AS statements,
       printf('%.1f %%', 100.0 * cache_hits / nullif(cache_hits + cache_misses, 0)) AS hit_ratio,
       CASE is_stale WHEN 1 THEN 'busy: last reading' ELSE txn_state END AS state
FROM connection_memory
ORDER BY total_bytes DESC, connection_id;
