-- memory_config: changes by UPDATE and by the function, and every refusal in words.
SELECT setting, boot_val, source, context, pending_restart FROM memory_config
WHERE name = 'purge_delay';
UPDATE memory_config SET setting = '1500' WHERE name = 'purge_delay';
SELECT setting, source FROM memory_config WHERE name = 'purge_delay';
UPDATE memory_config SET setting = boot_val WHERE name = 'purge_delay';
SELECT memory_config('purge_delay');
SELECT memory_config('memory_limit', '512 MB');
SELECT memory_config('memory_limit', 0);
UPDATE memory_config SET setting = '1' WHERE name = 'small_row_magazine';
UPDATE memory_config SET setting = 'lots' WHERE name = 'memory_limit';
UPDATE memory_config SET setting = '1' WHERE name = 'memory_limt';
UPDATE memory_config SET setting = NULL WHERE name = 'memory_limit';
UPDATE memory_config SET boot_val = '1' WHERE name = 'memory_limit';
INSERT INTO memory_config(name, setting) VALUES('mine', '1');
DELETE FROM memory_config;
SELECT memory_config('alocation_strategy');
SELECT memory_config('allocation_strategy', 'next_fit');
SELECT setting FROM memory_config WHERE name = 'no such option';
BEGIN;
UPDATE memory_config SET setting = 'first_fit' WHERE name = 'allocation_strategy';
ROLLBACK;
SELECT setting FROM memory_config WHERE name = 'allocation_strategy';
SELECT count(*) FROM memory_config WHERE short_desc NOT LIKE '%.' OR category = '';
