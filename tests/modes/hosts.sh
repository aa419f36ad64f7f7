#!/usr/bin/env bash
# Peculiar hosts: SQLite linked in, a current SQLite with lookaside, an allocator of the program's
# own.
set -eu
build=$SQLITEMEM_BUILD_DIR
programs=$build/tests/modes
extension=$build/sqlitemem
preload=$build/libsqlitemem_preload.so
sources=$SQLITEMEM_SOURCE_DIR/tests/modes

fail() { echo "$*"; exit 1; }

# says <text> <command…>: succeeds and prints the text; the output is left in `output`.
says() {
  local text=$1
  shift
  output=$("$@" 2>&1) || fail "failed: $* : $output"
  case $output in *"$text"*) ;; *) fail "'$text' is missing in the output of $*: $output" ;; esac
}
# The answers of host.c, without what differs by mode.
answers() { grep -vE '^(mode|heap check|left|error)' <<<"$output"; }
same_answers() { [ "$(answers)" = "$1" ] || fail "other answers: $(answers)"; }

# Debian's SQLite, dynamic and static.
says "4999 rows" "$programs/sqlitemem_dynamic_host"
stock=$(answers)
grep -q '^ok$' <<<"$stock" || fail "no integrity check: $stock"
says "mode|attached: " "$programs/sqlitemem_dynamic_host" "$extension"
same_answers "$stock"
says "heap check|ok" "$programs/sqlitemem_dynamic_host" "$extension"
says "mode|managed: " env LD_PRELOAD="$preload" "$programs/sqlitemem_dynamic_host"
same_answers "$stock"
if [ -x "$programs/sqlitemem_static_host" ]; then
  says "mode|observing: SQLite is linked statically" "$programs/sqlitemem_static_host" "$extension"
  same_answers "$stock"
  says "no such function: memory_mode" env LD_PRELOAD="$preload" "$programs/sqlitemem_static_host"
  same_answers "$stock"
else
  echo "no libsqlite3.a here: the static host is skipped"
fi

# An allocator of the program's own.
own=$programs/sqlitemem_own_allocator
says "observing: The program has given SQLite an allocator of its own" "$own" instead "$extension"
says "observing: The program gave SQLite an allocator of its own" \
  env LD_PRELOAD="$preload" "$own" instead
says "managed: " env LD_PRELOAD="$preload" "$own" in_front
says "passes requests on to sqlitemem" env LD_PRELOAD="$preload" "$own" in_front
says "managed: " env LD_PRELOAD="$preload" "$own" memstatus
! grep -q "accounting is off" <<<"$output" || fail "the program's own memstatus setting is lost"
says "attached: " "$own" none "$extension"

# A current SQLite, with lookaside: built once from the amalgamation in an npm package.
current=$build/cache/current-sqlite
if [ ! -e "$current/libsqlite3.so.0" ]; then
  mkdir -p "$current"
  if ! command -v npm >/dev/null ||
    ! (cd "$current" && timeout 60 npm pack --silent better-sqlite3 >npm.out 2>&1 &&
      tar xzf better-sqlite3-*.tgz); then
    echo "npm is not reachable: a current SQLite is skipped"
    exit 0
  fi
  (cd "$current" && cp package/deps/sqlite3/sqlite3.[ch] . && rm -r package better-sqlite3-*.tgz &&
    cc -O1 -fPIC -c -o static.o sqlite3.c &&
    cc -shared -Wl,-soname,libsqlite3.so.0 -o libsqlite3.so.0 static.o -lm -ldl)
fi
cc -O1 -I"$current" -o current_host "$sources/host.c" "$current/libsqlite3.so.0"
cc -O1 -I"$current" -o current_static_host "$sources/host.c" "$current/static.o" -lm -ldl -lpthread
export LD_LIBRARY_PATH=$current
says "lookaside|0" ./current_host
stock=$(answers)
says "mode|attached: " ./current_host "$extension"
same_answers "$stock"
says "heap check|ok" ./current_host "$extension"
says "mode|managed: " env LD_PRELOAD="$preload" ./current_host
same_answers "$stock"
says "mode|observing: SQLite is linked statically" ./current_static_host "$extension"
same_answers "$stock"
# Both at once: the extension in a program whose preloaded library serves the same SQLite.
says "mode|managed: " env LD_PRELOAD="$preload" ./current_host "$extension"
unset LD_LIBRARY_PATH

# Two SQLites in one process: the first that is used is served, the other is left alone.
cc -O1 -fPIC -shared -Wl,-soname,libcurrent.so -o libcurrent.so "$current/sqlite3.c" -lm -ldl
cc -O1 -fPIC -shared -I"$current" -o current_plugin.so "$sources/plugin.c" ./libcurrent.so \
  -Wl,-rpath,"$PWD"
two=$programs/sqlitemem_two_sqlites
system=$programs/sqlitemem_plugin.so
says "3.5" "$two" "$system" ./current_plugin.so
stock_version=$(head -n 1 <<<"$output") current_version=$(tail -n 1 <<<"$output")
LD_PRELOAD=$preload "$two" "$system" ./current_plugin.so "$system" >two.out
printf '%s\n' "${stock_version/stock/managed}" "$current_version" "${stock_version/stock/managed}" |
  cmp - two.out || fail "$(cat two.out)"
LD_PRELOAD=$preload "$two" ./current_plugin.so "$system" >two.out
printf '%s\n' "${current_version/stock/managed}" "$stock_version" | cmp - two.out ||
  fail "$(cat two.out)"
