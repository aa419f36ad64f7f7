#!/usr/bin/env bash
# No invalid read, write or free from start to exit, in any mode, as valgrind sees it.
set -eu
if ! command -v valgrind >/dev/null; then
  echo "no valgrind here: skipped"
  exit 0
fi
build=$SQLITEMEM_BUILD_DIR
preload=$build/libsqlitemem_preload.so
# Leaks are not looked for: what the heap holds at exit is meant to stay until the last instruction.
watch=(valgrind --quiet --error-exitcode=9 --leak-check=no --trace-children=no)
work="CREATE TABLE t(x, y); CREATE INDEX i ON t(y);
  WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
  INSERT INTO t SELECT i, hex(zeroblob(i % 90)) || i FROM n;
  BEGIN; DELETE FROM t WHERE x % 3 = 1; SELECT count(*), max(y) FROM t; ROLLBACK;
  SELECT count(*) FROM memory_stats(); SELECT length(zeroblob(3000000) || 'x');
  PRAGMA integrity_check;"

# clean <mode> <environment> <first command of the shell>
clean() {
  local mode=$1 environment=$2 first=$3
  rm -f valgrind.db
  local output
  output=$(env $environment "${watch[@]}" sqlite3 -batch -bail valgrind.db "$first" "$work" \
    "SELECT memory_mode();" 2>valgrind.err) ||
    { echo "$mode: exit status $?: $output"; cat valgrind.err; exit 1; }
  case $output in
    *ok*"$mode: "*) ;;
    *) echo "$mode: $output"; cat valgrind.err; exit 1 ;;
  esac
  if [ -s valgrind.err ]; then echo "$mode:"; cat valgrind.err; exit 1; fi
}
clean attached "A=1" ".load $build/sqlitemem"
clean managed "LD_PRELOAD=$preload" "SELECT 1;"
clean observing "SQLITEMEM_ATTACH=never" ".load $build/sqlitemem"
