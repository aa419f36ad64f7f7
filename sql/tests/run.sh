#!/usr/bin/env bash
# Runs every sql/tests/*.sql in a sqlite3 shell in one mode, and compares with what is expected.
# usage: run.sh <shell> <attached|managed|observing> [build directory]
# X.expected serves all modes; X.<mode>.expected wins where the modes must differ.
# UPDATE_EXPECTED=1 writes the answers instead, for a reviewer to read.
set -u
shell=${1:?shell} mode=${2:?mode} build=${3:-${SQLITEMEM_BUILD_DIR:?build directory}}
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$build" && pwd)
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

arguments=(-batch -init /dev/null)
unset "${!SQLITEMEM_@}"
case $mode in
  attached) arguments+=(-cmd ".load $build/sqlitemem") ;;
  observing)
    export SQLITEMEM_ATTACH=never
    arguments+=(-cmd ".load $build/sqlitemem")
    ;;
  managed) preload=$build/libsqlitemem_preload.so ;;
  *)
    echo "unknown mode: $mode"
    exit 2
    ;;
esac

# Shells of different versions introduce errors differently, and number lines; the words are ours.
without_shell_words() {
  sed -E -e 's/^(Parse |Runtime )?[Ee]rror:? (in|near) line [0-9]+: /error: /' \
    -e 's/^(error: .*) \([0-9]+\)$/\1/'
}
run_script() {
  cd "$here/.." || exit 1
  if [ "$mode" = managed ]; then
    LD_PRELOAD=$preload "$shell" "${arguments[@]}" "$scratch/test.db" < "$1" 2>&1
  else
    "$shell" "${arguments[@]}" "$scratch/test.db" < "$1" 2>&1
  fi | without_shell_words
}

failed=0 count=0
for script in "$here"/*.sql; do
  name=$(basename "$script" .sql)
  expected=$here/$name.$mode.expected
  [ -f "$expected" ] || expected=$here/$name.expected
  rm -f "$scratch"/test.db*
  answer=$scratch/$name.answer
  (run_script "$script") > "$answer"
  count=$((count + 1))
  if [ -n "${UPDATE_EXPECTED:-}" ]; then
    cp "$answer" "$expected"
  elif ! diff -u --label "expected: $name" --label "$mode: $name" "$expected" "$answer"; then
    failed=$((failed + 1))
  fi
done
if [ "$count" = 0 ]; then
  echo "no scripts in $here"
  exit 1
fi
echo "$mode: $((count - failed)) of $count scripts give the expected answers"
[ "$failed" = 0 ]
