-- The statements of this connection, and an empty cache: the shell does not use one.
SELECT owner, sql, fingerprint, is_busy, runs >= 0, memory_bytes > 0, hits, plan_id, idle_seconds
FROM plan_cache_stats WHERE sql LIKE '%plan_cache_stats%';
SELECT plans, memory_bytes, max_plans, max_bytes, hits, misses, hit_ratio, evictions, cleared,
       connections_skipped FROM plan_cache_summary;
SELECT clear_plan_cache(), clear_plan_cache(50);
SELECT clear_plan_cache('all');
UPDATE memory_config SET setting = '1MB' WHERE name = 'plan_cache_max_bytes';
SELECT max_bytes FROM plan_cache_summary;
