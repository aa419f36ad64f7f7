-- Every view under sql/views can be created twice and read; nothing is stored in the database.
.read views/memory_by_connection.sql
.read views/memory_by_connection.sql
.read views/memory_class_advice.sql
.read views/memory_fragmentation.sql
.read views/memory_growth.sql
.read views/memory_top_consumers.sql
SELECT count(*) FROM sqlite_schema;
SELECT name FROM sqlite_temp_schema ORDER BY name;
SELECT count(*) FROM memory_by_connection;
SELECT count(*) >= 0 FROM memory_class_advice;
SELECT count(*) FROM memory_fragmentation;
SELECT count(*) FROM memory_growth;
SELECT memory_snapshot('a');
CREATE TABLE t(a);
INSERT INTO t VALUES(zeroblob(1000000));
SELECT memory_snapshot('b');
SELECT since, until, growth_bytes > 500000 FROM memory_growth
WHERE component = 'connections: page caches';
SELECT sum(memory_mb) > 1 FROM memory_top_consumers;
