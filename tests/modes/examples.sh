#!/usr/bin/env bash
# The example programs do what they say, in every mode that they show.
set -eu
build=$SQLITEMEM_BUILD_DIR
preload=$build/libsqlitemem_preload.so
python=/usr/bin/python3
examples=$build/examples

# expect <text> <command…>: the command succeeds and prints the text.
expect() {
  local text=$1 output
  shift
  output=$("$@" 2>&1) || { echo "failed: $*"; echo "$output"; exit 1; }
  case $output in
    *"$text"*) ;;
    *) echo "'$text' is missing in the output of: $*"; echo "$output"; exit 1 ;;
  esac
}

expect "managed: The program called sqlitemem_install()" "$examples/sqlitemem_example_embedded"
expect "10000 | 495000" "$examples/sqlitemem_example_embedded"
expect "word 42: 100 uses" "$examples/sqlitemem_example_plan_cache"
expect "cache | 9999 | 2 | 2" "$examples/sqlitemem_example_plan_cache"
transaction_memory=$examples/sqlitemem_example_transaction_memory
for with in "" "LD_PRELOAD=$preload"; do  # Preloaded, the library's core serves the calls.
  expect "notes: added 3;added 2;added 1;
notes: added 2;added 1;
notes:" env ${with:+"$with"} "$transaction_memory"
  expect "error: no transaction is open" env ${with:+"$with"} "$transaction_memory"
done
expect "stock SQLite" "$examples/sqlitemem_example_plain"
expect "attached: " "$examples/sqlitemem_example_plain" "$build/sqlitemem"
expect "managed: " env LD_PRELOAD="$preload" "$examples/sqlitemem_example_plain"
expect "managed: " env LD_PRELOAD="$preload" "$examples/sqlitemem_example_plain" "$build/sqlitemem"
expect "attached: " "$python" "$SQLITEMEM_SOURCE_DIR/examples/memory.py" "$build/sqlitemem"
expect "managed: " env LD_PRELOAD="$preload" "$python" "$SQLITEMEM_SOURCE_DIR/examples/memory.py"
