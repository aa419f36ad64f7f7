-- Loads the Unicode character database, as Debian packages it, and works on it as a program would.
.bail on
PRAGMA cache_size = -16000;

-- The text files as they are, one column for each field. run.sh has put them into source/.
CREATE TEMP TABLE raw_characters(
  code, name, category, combining, bidi, decomposition, decimal_value, digit_value, numeric_value,
  mirrored, old_name, comment, upper, lower, title);
CREATE TEMP TABLE raw_blocks(range, name);
CREATE TEMP TABLE raw_names(line);
CREATE TEMP TABLE raw_readings(code, kind, value);
.mode ascii
.separator ";" "\n"
.import source/characters.txt raw_characters
.import source/blocks.txt raw_blocks
.separator "\t" "\n"
.import source/readings.txt raw_readings
.separator "\037" "\n"
.import source/names.txt raw_names
.mode list
.separator "|" "\n"
SELECT so_far || format('read %,d lines of text', (SELECT count(*) FROM raw_characters) +
  (SELECT count(*) FROM raw_names) + (SELECT count(*) FROM raw_readings)) FROM progress;

-- A code is six hexadecimal digits, so that its order as text is its order as a number.
BEGIN;
CREATE TABLE block(id INTEGER PRIMARY KEY, first_code TEXT, last_code TEXT, name TEXT);
INSERT INTO block(first_code, last_code, name)
  SELECT substr('00' || substr(range, 1, instr(range, '.') - 1), -6),
         substr('00' || substr(range, instr(range, '.') + 2), -6), trim(name)
  FROM raw_blocks ORDER BY 1;
CREATE UNIQUE INDEX block_by_code ON block(first_code);
CREATE TABLE character(
  id INTEGER PRIMARY KEY, code TEXT NOT NULL, name TEXT NOT NULL, category TEXT NOT NULL,
  combining INTEGER, bidi TEXT, decomposition TEXT, numeric_value TEXT, upper TEXT, lower TEXT,
  block_id INTEGER REFERENCES block(id));
INSERT INTO character(
    code, name, category, combining, bidi, decomposition, numeric_value, upper, lower)
  SELECT substr('00' || code, -6), iif(name GLOB '<*' AND old_name <> '', old_name, name), category,
         combining, bidi, nullif(decomposition, ''), nullif(numeric_value, ''),
         nullif(upper, ''), nullif(lower, '')
  FROM raw_characters;
COMMIT;
SELECT so_far || 'filled the tables block and character' FROM progress;

BEGIN;
CREATE UNIQUE INDEX character_by_code ON character(code);
CREATE INDEX character_by_category ON character(category, name);
CREATE INDEX character_by_name ON character(name COLLATE NOCASE);
UPDATE character SET block_id = (
  SELECT id FROM block WHERE first_code <= code ORDER BY first_code DESC LIMIT 1);
CREATE INDEX character_by_block ON character(block_id);
COMMIT;
SELECT so_far || 'made 4 indexes and gave each character its block' FROM progress;

BEGIN;
CREATE TABLE reading(
  id INTEGER PRIMARY KEY, code TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL);
INSERT INTO reading(code, kind, value)
  SELECT substr('00' || substr(code, 3), -6), kind, value FROM raw_readings;
CREATE INDEX reading_by_code ON reading(code);
COMMIT;
SELECT so_far || format('stored %,d readings of Chinese characters',
  (SELECT count(*) FROM reading)) FROM progress;
CREATE INDEX reading_by_value ON reading(kind, value);
SELECT so_far || 'sorted them into an index by kind and value' FROM progress;

-- In NamesList.txt a line that begins with a code names a character; those after it describe it.
BEGIN;
CREATE VIRTUAL TABLE description USING fts5(code UNINDEXED, name, notes, tokenize = 'porter');
INSERT INTO description(code, name, notes)
  WITH numbered AS (
    SELECT rowid AS place, line, line GLOB '[0-9A-F][0-9A-F][0-9A-F][0-9A-F]*' AS is_head
    FROM raw_names WHERE line NOT GLOB '[@;]*'),
  grouped AS (
    SELECT line, is_head, sum(is_head) OVER (ORDER BY place) AS entry FROM numbered)
  SELECT max(iif(is_head, substr('00' || substr(line, 1, instr(line, char(9)) - 1), -6), NULL)),
         max(iif(is_head, substr(line, instr(line, char(9)) + 1), NULL)),
         group_concat(iif(is_head, NULL, trim(line, char(9))), ' ')
  FROM grouped WHERE entry > 0 GROUP BY entry;
COMMIT;
SELECT so_far || 'indexed the names and notes for full-text search' FROM progress;

-- One JSON document for each Chinese character, then a change in every one that has a definition.
BEGIN;
CREATE TABLE document(code TEXT PRIMARY KEY, body TEXT) WITHOUT ROWID;
INSERT INTO document
  SELECT code, json_object('code', code, 'readings', json_group_object(kind, value))
  FROM reading GROUP BY code;
SELECT so_far || format('built %,d JSON documents', (SELECT count(*) FROM document)) FROM progress;
UPDATE document SET body = json_set(body, '$.words', json_array_length(
    '["' || replace(replace(body ->> '$.readings.kDefinition', '"', ''), ', ', '","') || '"]'))
  WHERE body ->> '$.readings.kDefinition' NOT LIKE '%\%';
COMMIT;
SELECT so_far || 'changed those that have an English definition' FROM progress;

-- Work that comes and goes: deletions taken back, a large sort, one very long text.
BEGIN;
DELETE FROM reading WHERE kind IN ('kHanyuPinyin', 'kTang', 'kJapaneseOn');
SAVEPOINT names;
UPDATE character SET name = lower(name);
ROLLBACK TO names;
ROLLBACK;
DELETE FROM reading WHERE kind = 'kHanyuPinlu';
SELECT so_far || 'deleted, changed and rolled back' FROM progress;
CREATE TEMP TABLE ranked AS
  SELECT kind, value, rank() OVER (PARTITION BY kind ORDER BY length(value) DESC, value) AS place
  FROM reading;
CREATE TEMP TABLE long_text AS SELECT group_concat(name, '; ') AS names FROM character;
SELECT so_far || format('ranked the readings, joined all names into one text of %,d letters',
  (SELECT length(names) FROM long_text)) FROM progress;
