-- memory_report: one page within its width, in both charsets, and refusals in words.
SELECT memory_report('ascii', 60) LIKE 'sqlitemem %' || char(10) || printf('%.60c', '-') || '%';
SELECT memory_report(NULL, NULL) LIKE 'sqlitemem %';
SELECT memory_report('ascii') GLOB '*[^ -~' || char(10) || ']*';
WITH RECURSIVE lines(line, rest) AS (
  SELECT '', memory_report('unicode', 60)
  UNION ALL
  SELECT substr(rest, 1, instr(rest, char(10)) - 1), substr(rest, instr(rest, char(10)) + 1)
  FROM lines WHERE rest <> '')
SELECT max(length(line)) <= 60, sum(line LIKE '% '), count(*) > 10,
  sum(line LIKE 'CONNECTIONS%') FROM lines;
SELECT memory_report('html');
SELECT memory_report('ascii', 59);
SELECT memory_report('ascii 201');
SELECT memory_report('ascii', 'wide');
SELECT memory_report('ascii 100', 80);
CREATE VIEW page AS SELECT memory_report() AS text;
SELECT * FROM page;
