-- The doctor, alerts and leak suspects: a shell that is well, and conditions that SQL can make.
SELECT count(*) > 0 FROM memory_doctor;
SELECT count(*) > 0 FROM memory_doctor();
SELECT count(*) FROM memory_doctor WHERE severity IN ('warning', 'critical');
SELECT DISTINCT typeof(severity), typeof(code), typeof(finding), typeof(evidence), typeof(advice)
FROM memory_doctor;
-- A process this small is told so.
SELECT severity, code, fix_sql FROM memory_doctor WHERE code IN ('observing', 'too_small');
CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
INSERT INTO t SELECT i, hex(randomblob(100)) FROM n;
SELECT code FROM memory_doctor WHERE code IN ('too_small', 'healthy');
SELECT count(*) FROM memory_doctor WHERE severity IN ('warning', 'critical');
-- The order is by severity.
SELECT group_concat(DISTINCT severity) IN ('ok', 'info,ok', 'info') FROM memory_doctor;
-- Alerts: none is raised, and severities have names.
SELECT count(*) FROM memory_alerts WHERE code NOT LIKE 'usage%' AND code NOT LIKE 'fragm%';
SELECT count(*) FROM memory_alerts('warning') WHERE severity = 'info';
SELECT * FROM memory_alerts('criticle');
SELECT * FROM memory_alerts(1, 2);
-- A log that nobody checkpoints: raised once, found, cured by the statement that is offered.
PRAGMA journal_mode = WAL;
PRAGMA wal_autocheckpoint = 0;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 70)
INSERT INTO t(b) SELECT zeroblob(1000000) FROM n;
SELECT severity, code, fix_sql FROM memory_doctor WHERE code = 'wal_growth';
SELECT code, severity, subject LIKE '%/test.db', value > threshold, unit, cleared_at
FROM memory_alerts WHERE code = 'wal_growth';
SELECT count(*) FROM memory_alerts WHERE code = 'wal_growth';
SELECT force_garbage_collection(3) >= 0;
INSERT INTO t(b) VALUES('x');
SELECT count(*) FROM memory_doctor WHERE code = 'wal_growth';
SELECT count(*), cleared_at IS NOT NULL FROM memory_alerts WHERE code = 'wal_growth';
PRAGMA journal_mode = DELETE;
-- Nothing leaks here.
SELECT count(*) FROM leak_suspects;
SELECT count(*) FROM leak_suspects();
