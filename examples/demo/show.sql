-- What a newcomer asks first, each as one statement that can be typed at the prompt.
.mode box

.print
.print Where is the memory of this process? The rows add up to its resident size.
.echo on
SELECT component, memory_mb, percentage FROM memory_stats()
WHERE category = 'rss' ORDER BY memory_mb DESC LIMIT 8;
.echo off

.print
.print Which connection holds how much? cache is the page cache, stmt the prepared statements.
.echo on
SELECT connection_id, cache_used_bytes, schema_used_bytes, stmt_used_bytes, cache_hits, cache_misses
FROM connection_memory();
.echo off

.print
.print Which object sizes does SQLite use most? A hit ratio near 1 means: no lock, no search.
.echo on
SELECT object_bytes, live_objects, live_bytes, allocations, magazine_hit_ratio, utilization_ratio
FROM slab_allocator_stats() ORDER BY allocations DESC LIMIT 8;
.echo off

.print
.print What sizes are asked for, and what does rounding them up cost?
.echo on
SELECT request_bytes, allocations, share_ratio, class_bytes, waste_bytes
FROM allocation_patterns(8);
.echo off

.print
.print How much is held but not used, and how much of it could go back to the system?
.echo on
SELECT component, wanted_bytes, held_bytes, fragmentation_ratio, reclaimable_bytes, status
FROM fragmentation_stats();
.echo off

.print
.print What has grown since the snapshot that was taken before the load?
.echo on
SELECT component, before_bytes, after_bytes, growth_bytes FROM memory_diff(1, 2)
WHERE growth_bytes <> 0 ORDER BY growth_bytes DESC LIMIT 8;
.echo off

.print
.print Give back what nobody needs, then walk the whole heap and check every rule in it.
.echo on
SELECT force_garbage_collection() AS bytes_released, memory_heap_check() AS heap_check;
.echo off
