-- memory_top_consumers: what the resident set consists of, the largest part first.
CREATE TEMP VIEW IF NOT EXISTS memory_top_consumers AS
SELECT component, round(memory_mb, 2) AS memory_mb, round(percentage, 1) AS percentage, note
FROM memory_stats('rss')
WHERE memory_bytes > 0
ORDER BY memory_bytes DESC;
