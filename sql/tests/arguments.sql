-- Arguments: left out, NULL, of the wrong type, too many, and from another table of the join.
SELECT count(*) <= 3 FROM allocation_patterns(3);
SELECT count(*) FROM allocation_patterns(0);
SELECT count(*) >= 0 FROM allocation_patterns(NULL);
SELECT count(*) <= 2 FROM allocation_patterns WHERE max_rows = 2;
SELECT * FROM allocation_patterns(-1);
SELECT * FROM allocation_patterns('many');
SELECT * FROM allocation_patterns(2.5);
SELECT * FROM allocation_patterns(1, 2);
SELECT * FROM memory_stats(x'00');
SELECT w.c, count(*) FROM (SELECT 'rss' AS c UNION ALL SELECT 'cgroup') AS w, memory_stats(w.c)
GROUP BY w.c;
