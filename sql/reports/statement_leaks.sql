-- Statements that a connection has open many times: most likely never finalized.
SELECT connection_id AS id, count(*) AS open_statements,
       printf('%.1f kB', sum(memory_bytes) / 1024.0) AS memory, sum(is_busy) AS between_rows,
       fingerprint AS statement
FROM plan_cache_stats
WHERE owner = 'app'
GROUP BY connection_id, fingerprint
HAVING count(*) >= 10
ORDER BY count(*) DESC, sum(memory_bytes) DESC;
