-- What a newcomer asks first, each as one statement that can be typed at the prompt.
.mode box

.print
.print Where is the memory of this process? The rows add up to its resident size.
SELECT component, round(memory_mb, 1) AS mb, round(percentage, 1) AS percent
FROM memory_stats('rss') WHERE memory_mb >= 0.1 ORDER BY memory_mb DESC;

.print
.print Which connection holds how much? Nearly all of it is page cache, as so often.
SELECT connection_id AS id, cache_used_bytes, schema_used_bytes, stmt_used_bytes,
       cache_hits, cache_misses
FROM connection_memory();

.print
.print Who holds the pages of the buffer pool, and how often was a page there?
SELECT schema_name AS schema, replace(database_file, rtrim(database_file,
         replace(database_file, '/', '')), '') AS file,
       frames, floor_frames, hits, misses, round(hit_ratio, 4) AS hit_ratio, evictions
FROM buffer_pool_caches() WHERE frames > 0;

.print
.print Which sizes does SQLite want most often? A hit is served without a lock or a search.
SELECT size_class, live_objects, live_bytes, allocations,
       round(magazine_hit_ratio, 5) AS hit_ratio, magazine_capacity, is_learned
FROM slab_allocator_stats() ORDER BY allocations DESC LIMIT 8;

.print
.print What does rounding a request up to its class cost, for the sizes most asked for?
SELECT request_bytes, allocations, round(share_ratio, 3) AS share, class_bytes, waste_bytes
FROM allocation_patterns(6);

.print
.print What is held but not used, and how much of it could go back to the system?
SELECT component, wanted_bytes, held_bytes, round(fragmentation_ratio, 3) AS fragmentation,
       reclaimable_bytes, status
FROM fragmentation_stats();

.print
.print What has grown since the snapshot that was taken before the load?
SELECT d.component, d.before_bytes, d.after_bytes, d.growth_bytes
FROM (SELECT min(id) AS first, max(id) AS last FROM snapshot), memory_diff(first, last) AS d
WHERE d.growth_bytes > 0 ORDER BY d.growth_bytes DESC LIMIT 6;

.print
.print All of it on one page, with what to do about it:
.mode list
.headers off
SELECT memory_report('unicode', 80);
.mode box
.headers on
.print
.print Give back what nobody needs. How much was that, what is left, and is the heap sound?
SELECT force_garbage_collection() AS bytes_released;
SELECT round(memory_mb, 1) AS resident_mb, memory_heap_check() AS heap_check
FROM memory_stats('resident_set');
