-- Statements that differ only in their values: with parameters, one would be compiled once for all.
SELECT count(DISTINCT sql) AS texts, sum(runs) AS runs,
       printf('%.1f kB', sum(memory_bytes) / 1024.0) AS memory,
       fingerprint AS statement, min(sql) AS for_example
FROM plan_cache_stats
WHERE owner <> 'vtab' AND fingerprint <> ''
GROUP BY fingerprint
HAVING count(DISTINCT sql) >= 5
ORDER BY count(DISTINCT sql) DESC, sum(memory_bytes) DESC;
