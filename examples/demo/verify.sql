-- Reads the whole database: its integrity, and figures that depend on every row.
PRAGMA integrity_check;
SELECT count(*), sum(length(name)), count(DISTINCT block_id) FROM character;
SELECT kind, count(*), sum(length(value)) FROM reading GROUP BY kind ORDER BY kind;
SELECT sum(length(body)), sum(body ->> '$.words') FROM document;
SELECT code, name FROM description WHERE description MATCH 'arrow NOT right' ORDER BY rank, code;
SELECT b.name, count(*), min(c.name) FROM character c JOIN block b ON b.id = c.block_id
GROUP BY b.id ORDER BY 2 DESC, 1;
