-- The alerts that still hold, and how many of each kind came and went.
WITH alerts AS MATERIALIZED (SELECT * FROM memory_alerts)
SELECT severity, code, subject, raised_at AS since, message, advice
FROM alerts WHERE cleared_at IS NULL
UNION ALL
SELECT max(severity), code, printf('%d subjects', count(DISTINCT subject)), min(raised_at),
       printf('raised and cleared %d times', count(*)), ''
FROM alerts WHERE cleared_at IS NOT NULL GROUP BY code;
