-- A start-up option: waits if the heap has started, is set if there is none.
UPDATE memory_config SET setting = '1GB' WHERE name = 'region_size';
SELECT setting, pending_restart, pending_setting FROM memory_config WHERE name = 'region_size';
SELECT memory_config('region_size', '2GB');
