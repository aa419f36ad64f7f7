-- Where the process's memory is, as a bar for each part of the resident set.
SELECT component, printf('%8.2f MB', memory_mb) AS memory, printf('%5.1f %%', percentage) AS share,
       substr('########################################', 1,
              cast(round(percentage / 2.5) AS INTEGER)) AS bar
FROM memory_stats('rss')
WHERE memory_bytes IS NOT NULL
ORDER BY memory_bytes DESC;
