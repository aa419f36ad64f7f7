-- Which tables and indexes of the database main are in the buffer pool, and how much of each.
-- What is cached is copied first: reading dbstat brings the rest of the file into the pool.
CREATE TEMP TABLE IF NOT EXISTS cached_pages(pageno INTEGER PRIMARY KEY, tier TEXT);
DELETE FROM cached_pages;
INSERT OR REPLACE INTO cached_pages
SELECT p.pageno, p.tier
FROM buffer_pool_caches() AS c JOIN buffer_pool_pages() AS p USING (cache_id)
WHERE c.schema_name = 'main' AND c.connection_id = sqlitemem_connection_id();
SELECT s.name AS table_or_index, count(*) AS pages, count(c.pageno) AS cached,
       printf('%.1f %%', 100.0 * count(c.pageno) / count(*)) AS share,
       sum(c.tier = 'hot') AS hot
FROM dbstat AS s LEFT JOIN cached_pages AS c USING (pageno)
GROUP BY s.name
ORDER BY cached DESC, pages DESC, s.name;
DROP TABLE temp.cached_pages;
