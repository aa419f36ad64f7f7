#!/usr/bin/env bash
# The demo: an unmodified sqlite3 shell works on real data in our memory, and SQL shows where it is.
set -euo pipefail
start_directory=$PWD
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:-$here/../../build/release}" && pwd)
unicode=/usr/share/unicode
work=$here/../../build/demo

bold=$(tput bold 2>/dev/null || true)
plain=$(tput sgr0 2>/dev/null || true)
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
# A path as the user would type it.
shown() { realpath --relative-to="$start_directory" "$1"; }
# The shell as it is, without the user's own start-up file.
shell() { sqlite3 -batch -bail -init /dev/null "$@"; }

rm -rf "$work"
mkdir -p "$work/source"
cd "$work"
cp "$unicode/UnicodeData.txt" source/characters.txt
cp "$unicode/NamesList.txt" source/names.txt
grep -v -e '^#' -e '^$' "$unicode/Blocks.txt" >source/blocks.txt
bzcat "$unicode/Unihan_Readings.txt.bz2" | grep -v -e '^#' -e '^$' >source/readings.txt

say "1. sqlite3, then \".load ./sqlitemem\": the running shell's memory becomes ours"
text_bytes=$(cat source/* | wc -c | numfmt --to=iec)
echo "   The Unicode character database, ${text_bytes}B of text, goes into" \
  "$(shown "$work")/unicode.db:"
shell <<SQL
.load $build/sqlitemem
.open unicode.db
.once "|fold -s -w 90 | sed 's/^/   /'"
SELECT memory_mode();
CREATE TEMP TABLE snapshot AS SELECT memory_snapshot('before the load') AS id;
.read $here/progress.sql
.read $here/load.sql
INSERT INTO snapshot SELECT memory_snapshot('after the load');
.read $here/show.sql
SQL

say "2. LD_PRELOAD: the same for any program, from its first byte"
echo "   LD_PRELOAD=$(shown "$build")/libsqlitemem_preload.so sqlite3 $(shown "$work")/unicode.db:"
LD_PRELOAD=$build/libsqlitemem_preload.so shell unicode.db <<SQL
.once "|fold -s -w 90 | sed 's/^/   /'"
SELECT memory_mode();
.output by_preload.txt
.read $here/verify.sql
SQL

say "3. Does stock SQLite read the same?"
shell unicode.db ".read $here/verify.sql" >by_stock.txt
if ! diff by_stock.txt by_preload.txt || [ "$(head -n 1 by_stock.txt)" != ok ]; then
  echo "The answers differ, or integrity_check is not ok: that is a bug."
  exit 1
fi
echo "   integrity_check: ok; $(wc -l <by_stock.txt) lines of answers, every one the same."

say "Try it yourself"
cat <<EOT
   sqlite3
     .load $(shown "$build")/sqlitemem
     .open $(shown "$work")/unicode.db
     SELECT name, notes FROM description WHERE description MATCH 'factorial';
     SELECT * FROM memory_stats();
     UPDATE memory_config SET setting = '64MB' WHERE name = 'memory_limit';
   All tables: docs/reference.md. Views and reports to start from: sql/.
EOT
