-- A workload of many kinds, without chance or time in it: what it prints depends on SQLite alone.
PRAGMA page_size = 4096;
PRAGMA cache_size = 200;
CREATE TABLE numbers(i INTEGER PRIMARY KEY, mixed INTEGER, label TEXT, payload BLOB);
CREATE TABLE parts(id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parts(id), name TEXT);
BEGIN;
WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000)
INSERT INTO numbers
SELECT i, (i * 7919) % 10007, printf('label %05d of %s', (i * 31) % 4001, hex(i)),
       CAST(substr(printf('%0*d', 200 + i % 90, i * i), 1, 180 + i % 90) AS BLOB) FROM n;
COMMIT;
CREATE INDEX numbers_mixed ON numbers(mixed);
CREATE UNIQUE INDEX numbers_label ON numbers(label, i);
INSERT INTO parts SELECT i, CASE WHEN i > 1 THEN i / 3 + 1 END, 'part ' || i FROM numbers LIMIT 800;
UPDATE parts SET parent = NULL WHERE parent >= id;
SELECT count(*), sum(mixed), min(label), max(label), total(length(payload)) FROM numbers;
SELECT mixed % 13, count(*), sum(i), group_concat(i % 7, '') FROM numbers WHERE i < 900 GROUP BY 1;
BEGIN;
UPDATE numbers SET label = label || ' changed', mixed = mixed + 1 WHERE i % 5 = 2;
SAVEPOINT inner;
DELETE FROM numbers WHERE i % 3 = 0;
SELECT count(*) FROM numbers;
ROLLBACK TO inner;
INSERT INTO numbers SELECT i + 100000, mixed, label, zeroblob(3000) FROM numbers WHERE i < 300;
COMMIT;
DELETE FROM numbers WHERE i BETWEEN 2000 AND 5000;
SELECT i, mixed, substr(label, 1, 30) FROM numbers ORDER BY label DESC, i LIMIT 150;
WITH RECURSIVE tree(id, depth, path) AS (
  SELECT id, 0, name FROM parts WHERE parent IS NULL
  UNION ALL
  SELECT parts.id, depth + 1, path || '/' || name FROM parts JOIN tree ON parts.parent = tree.id)
SELECT depth, count(*), max(length(path)) FROM tree GROUP BY depth;
SELECT a.i, b.i, a.mixed FROM numbers a JOIN numbers b ON a.mixed = b.mixed AND a.i < b.i
ORDER BY 1, 2 LIMIT 100;
SELECT i, mixed, sum(mixed) OVER (ORDER BY i ROWS 5 PRECEDING), ntile(9) OVER (ORDER BY mixed, i)
FROM numbers WHERE i < 200 ORDER BY i;
SELECT json_extract(value, '$.i'), json_extract(value, '$.l') FROM json_each(
  (SELECT json_group_array(json_object('i', i, 'l', label)) FROM numbers WHERE i < 120));
CREATE VIRTUAL TABLE documents USING fts5(body);
INSERT INTO documents SELECT label || ' ' || hex(mixed) || ' word' || (i % 40) FROM numbers;
SELECT rowid, snippet(documents, 0, '[', ']', '', 6) FROM documents
WHERE documents MATCH 'word7 OR "changed word12"' ORDER BY rowid LIMIT 60;
INSERT INTO documents(documents) VALUES('optimize');
CREATE TABLE archive AS SELECT * FROM numbers WHERE mixed % 2;
CREATE INDEX archive_mixed ON archive(mixed DESC, label);
DROP TABLE parts;
ALTER TABLE archive ADD COLUMN note TEXT DEFAULT 'none';
SELECT note, count(*), avg(mixed) FROM archive GROUP BY note;
VACUUM;
PRAGMA integrity_check;
PRAGMA page_count;
