-- Every table answers, with and without parentheses; names and meaning of columns are fixed.
SELECT count(*) > 10 FROM memory_stats;
SELECT count(*) > 10 FROM memory_stats();
SELECT count(*) = (SELECT count(*) FROM memory_contexts) FROM memory_contexts();
SELECT count(*) FROM connection_memory();
SELECT count(*) FROM heap_stats();
SELECT count(*) >= 0 FROM slab_allocator_stats();
SELECT count(*) >= 0 FROM allocation_patterns();
SELECT count(*) FROM large_object_stats();
SELECT count(*) >= 0 FROM large_objects();
SELECT group_concat(component) FROM fragmentation_stats();
SELECT count(*) FROM memory_snapshots();
SELECT count(*) > 15 FROM memory_config();
SELECT count(*) > 15 FROM memory_metrics();
SELECT group_concat(name, ' ') FROM pragma_table_info('memory_stats');
SELECT group_concat(name, ' ') FROM pragma_table_info('slab_allocator_stats');
SELECT group_concat(name, ' ') FROM pragma_table_info('connection_memory');
SELECT group_concat(name, ' ') FROM pragma_table_info('memory_config');
SELECT group_concat(name, ' ') FROM pragma_table_info('large_object_stats');
SELECT count(*) > 10 FROM
  (SELECT component, memory_mb, percentage FROM memory_stats() ORDER BY memory_mb DESC);
