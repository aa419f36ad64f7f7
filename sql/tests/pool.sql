-- The buffer pool's tables agree with each other and with SQLite; nothing here depends on sizes.
ATTACH ':memory:' AS m;
CREATE TABLE m.t(a INTEGER PRIMARY KEY, b);
INSERT INTO m.t SELECT value, randomblob(500) FROM generate_series(1, 2000);
CREATE TEMP TABLE s AS SELECT * FROM m.t;
-- One row on the pool; a note instead of figures where there is none.
SELECT count(*), count(*) FILTER (WHERE (note IS NULL) = (budget_bytes IS NOT NULL))
  FROM buffer_pool_stats();
-- Pages are counted alike page by page and cache by cache.
SELECT coalesce(sum(c.frames), 0) = (SELECT count(*) FROM buffer_pool_pages())
  FROM buffer_pool_caches() AS c WHERE NOT c.is_legacy;
-- In-memory databases are outside of the budget and of the tiers.
SELECT count(*) FROM buffer_pool_pages() AS p JOIN buffer_pool_caches() AS c USING (cache_id)
  WHERE c.is_purgeable = 0 AND p.tier <> 'none';
SELECT count(*) FROM buffer_pool_stats()
  WHERE unevictable_frames < (SELECT sum(frames) FROM buffer_pool_caches() WHERE is_purgeable = 0);
-- An attached database is known by its name.
SELECT count(DISTINCT cache_id) <= 1 FROM buffer_pool_caches() WHERE schema_name = 'm';
-- The pages of one cache only.
SELECT count(*) FROM buffer_pool_pages(0);
SELECT count(*) = (SELECT count(*) FROM buffer_pool_pages())
  FROM buffer_pool_caches() AS c, buffer_pool_pages(c.cache_id);
-- Uses of a page are 0 to 3.
SELECT count(*) FROM buffer_pool_pages() WHERE "references" NOT BETWEEN 0 AND 3;
-- Advice: seven sizes, of which one is the present one; an estimate or a note in every row.
SELECT count(*) IN (1, 7), sum(is_current) IS NOT 0, count(*) FILTER (
    WHERE (estimated_hit_ratio IS NULL) <> (note IS NOT NULL)
       OR (estimated_misses IS NULL) <> (note IS NOT NULL)),
  count(*) FILTER (WHERE is_recommended AND note IS NOT NULL), coalesce(sum(is_recommended), 0) <= 1
  FROM buffer_pool_advice();
SELECT count(*) FROM buffer_pool_advice() AS a, buffer_pool_stats() AS s
  WHERE a.is_current AND a.size_bytes <> s.budget_bytes;
-- Shares of the pages that can be evicted.
SELECT buffer_pool_evict(101);
SELECT buffer_pool_evict('all');
SELECT count(*), sum(length(b)) FROM m.t;
SELECT count(*), sum(length(b)) FROM s;
