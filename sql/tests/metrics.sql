-- The metrics as text in both formats and as rows.
SELECT prometheus_metrics() LIKE '# HELP sqlitemem_memory_bytes %';
SELECT prometheus_metrics('openmetrics') LIKE '%# EOF' || char(10);
SELECT prometheus_metrics('prometheus') LIKE '%# EOF%';
SELECT prometheus_metrics('json');
SELECT count(*) FROM memory_metrics WHERE name NOT GLOB 'sqlitemem_*' OR help NOT LIKE '%.'
  OR type NOT IN ('gauge', 'counter', 'stateset')
  OR (type = 'counter') <> (name LIKE '%\_total' ESCAPE '\');
SELECT count(*) - count(DISTINCT name || labels) FROM memory_metrics;
SELECT count(*) FROM memory_metrics WHERE NOT json_valid(labels);
SELECT value > 0 FROM memory_metrics
WHERE name = 'sqlitemem_memory_bytes' AND json_extract(labels, '$.component') = 'resident_set';
