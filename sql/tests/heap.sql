-- What needs our heap: done in attached and managed, refused in words in observing mode.
SELECT memory_heap_check();
SELECT coalesce_all() >= 0;
SELECT reset_memory_stats();
SELECT count(*) > 0, coalesce(min(live_objects), 'unknown') <> 'unknown' FROM slab_allocator_stats;
SELECT live_bytes IS NULL, failures IS NULL FROM heap_stats;
SELECT fragmentation_ratio IS NULL, mapped_bytes IS NULL FROM large_object_stats;
SELECT component FROM fragmentation_stats WHERE wanted_bytes IS NULL;
SELECT sum(live_objects) = (SELECT count(*) FROM large_objects) FROM large_object_stats;
SELECT memory_bytes IS NULL, note LIKE 'Not our heap.%' FROM memory_stats('slab_live');
