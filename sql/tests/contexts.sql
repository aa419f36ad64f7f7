-- The tree of memory_contexts: parents exist, and hold at least what their children do.
WITH m AS MATERIALIZED (SELECT * FROM memory_contexts())
SELECT p.name FROM m AS p
WHERE p.total_bytes < (SELECT sum(c.total_bytes) FROM m AS c WHERE c.parent_id = p.context_id);
WITH m AS MATERIALIZED (SELECT * FROM memory_contexts())
SELECT c.name FROM m AS c LEFT JOIN m AS p ON p.context_id = c.parent_id
WHERE (c.parent_id IS NULL) <> (c.level = 1) OR (c.level > 1 AND p.level <> c.level - 1);
WITH RECURSIVE m AS MATERIALIZED (SELECT * FROM memory_contexts()),
tree(id, path) AS (
  SELECT context_id, name FROM m WHERE parent_id IS NULL
  UNION ALL
  SELECT context_id, path || ' > ' || name FROM m JOIN tree ON parent_id = id)
SELECT DISTINCT path FROM tree WHERE path LIKE 'connections%' ORDER BY path;
