#!/usr/bin/env bash
# The house rules that no compiler checks: file shape, layering, dead files, leftovers.
set -u
cd "${SQLITEMEM_SOURCE_DIR:-$(dirname "$0")/..}" || exit 1
export LC_ALL=C.UTF-8  # Columns are characters, not bytes.

broken=0
# rule "words" < places: offending places, one on a line; none means that the rule is kept.
rule() {
  local places
  places=$(cat)
  [ -z "$places" ] && return
  printf 'broken rule: %s\n%s\n\n' "$1" "$places" | sed '2,$s/^/  /'
  broken=1
}

# A release archive has no .git; there everything but build/ belongs to the project.
list_files() {
  if git rev-parse --git-dir >/dev/null 2>&1; then
    git ls-files --cached --others --exclude-standard
  else
    find . -type f -not -path './build/*' -printf '%P\n'
  fi | sort -u | while read -r file; do
    if [ -f "$file" ]; then echo "$file"; fi  # Deleted, but not yet committed as such.
  done
}
mapfile -t files < <(list_files)
select_files() { printf '%s\n' "${files[@]}" | grep -E "$1"; }
mapfile -t sources < <(select_files '\.(cpp|h|c)$')
mapfile -t scripts < <(select_files '\.(sql|sh|py|cmake)$|(^|/)(CMakeLists\.txt|Makefile|run)$')
code=("${sources[@]}" "${scripts[@]}")
if [ "${#code[@]}" -lt 20 ]; then
  echo "only ${#code[@]} files of code in $PWD: is this the source directory?"
  exit 1
fi

core_includes_sqlite() { select_files '^allocators/' | xargs grep -nE '^ *# *include.*sqlite3'; }
# clang-tidy cannot see to it: it reads batches, which include sources.
included_sources() { grep -nE '^ *# *include.*\.(c|cc|cpp|cxx)[">]' "${sources[@]}"; }
too_wide() { grep -nE '^.{101,}$' "${code[@]}" | cut -c1-80; }
too_long() { wc -l "${sources[@]}" | awk '$2 != "total" && $1 > 400 {print $2 ": " $1 " lines"}'; }
left_for_later() { grep -nE '\b(T[O]DO|F[I]XME|X[X]X)\b' "${code[@]}"; }
one_machine() {
  printf '%s\n' "${files[@]}" | xargs grep -nIE '(^|[^A-Za-z0-9_.])/(work|home|root)/'
}
# CMake would split the name in two, and neither half would run.
semicolon_in_test_name() { grep -nE 'TEST_CASE(_METHOD)?\([^"]*"[^"]*;' "${sources[@]}"; }
blank_at_end() { grep -nE '[[:blank:]]+$' "${code[@]}" | cut -c1-80; }

# The sentence begins on line 1 (after a #! line) and may run over the comment lines that follow.
without_purpose() {
  local file mark
  for file in "${code[@]}"; do
    case $file in
      ext/sqlitemem.h | *.c) mark='/[*]' ;;  # The public header is C.
      *.cpp | *.h) mark='//' ;;
      *.sql) mark='--' ;;
      *) mark='#' ;;
    esac
    awk -v mark="^($mark|[*][*]) ?[^ ]" '
      NR == 1 && /^#!/ { next }
      $0 !~ mark { exit }
      /[.:]( [*]\/)?$|[.:] / { found = 1; exit }
      END { exit !found }' "$file" || echo "$file: $(grep -m 1 -v '^#!' "$file")"
  done
}

# A source that no CMakeLists.txt names, from its own directory upwards, is never compiled.
dead_sources() {
  local file directory relative
  select_files '\.(cpp|c)$' | while read -r file; do
    directory=$(dirname "$file")
    relative=$(basename "$file")
    until grep -qwF "$relative" "$directory"/CMakeLists.txt "$directory"/*.cmake 2>/dev/null; do
      if [ "$directory" = . ]; then
        echo "$file"
        break
      fi
      relative=$(basename "$directory")/$relative
      directory=$(dirname "$directory")
    done
  done
}

rule "allocators/ never includes SQLite" < <(core_includes_sqlite)
rule "no source includes another one" < <(included_sources)
rule "no line is longer than 100 columns" < <(too_wide)
rule "no source file is longer than 400 lines" < <(too_long)
rule "nothing is left for later" < <(left_for_later)
rule "no path of one machine" < <(one_machine)
rule "no semicolon in the name of a test" < <(semicolon_in_test_name)
rule "no blank at the end of a line" < <(blank_at_end)
rule "the first line is a sentence that says what the file is for" < <(without_purpose)
rule "every source is listed in a CMakeLists.txt" < <(dead_sources)

[ "$broken" = 0 ] && echo "tidy: ${#files[@]} files keep the house rules"
exit "$broken"
