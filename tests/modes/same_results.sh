#!/usr/bin/env bash
# One SQL script gives the same bytes, and the same database file, with stock SQLite and in each
# mode.
set -eu
build=$SQLITEMEM_BUILD_DIR
preload=$build/libsqlitemem_preload.so
script=$SQLITEMEM_SOURCE_DIR/tests/modes/same_results.sql
driver=$SQLITEMEM_SOURCE_DIR/tests/modes/same_results.py
python=/usr/bin/python3

# run <mode> <shell|python>: leaves <mode>.<host>.out and <mode>.<host>.db.
run() {
  local mode=$1 host=$2
  local out=$mode.$host.out db=$mode.$host.db
  rm -f "$db" "$db"-*
  local environment=(env)
  local load=()
  case $mode in
    stock) ;;
    managed) environment=(env LD_PRELOAD="$preload") ;;
    attached) load=("$build/sqlitemem") ;;
    observing) environment=(env SQLITEMEM_ATTACH=never); load=("$build/sqlitemem") ;;
  esac
  if [ "$host" = shell ]; then
    {
      [ "${#load[@]}" = 0 ] || echo ".load ${load[0]}"
      if [ "$mode" != stock ]; then
        printf '%s\n' ".output $mode.mode" "SELECT memory_mode();" ".output"
      fi
      echo ".read $script"
    } |
      "${environment[@]}" sqlite3 -batch -bail "$db" >"$out"
  else
    "${environment[@]}" "$python" "$driver" "$script" "$db" "${load[@]}" >"$out"
  fi
}

for host in shell python; do
  for mode in stock managed attached observing; do
    run "$mode" "$host"
    if ! cmp "stock.$host.out" "$mode.$host.out" || ! cmp "stock.$host.db" "$mode.$host.db"; then
      echo "$mode differs from stock in $host"
      exit 1
    fi
  done
  for mode in managed attached observing; do
    grep -q "^$mode: " "$mode.mode" || { echo "not $mode, but: $(cat "$mode.mode")"; exit 1; }
  done
  if [ "$(wc -c <"stock.$host.out")" -lt 10000 ] || ! grep -qx ok "stock.$host.out"; then
    echo "the script printed too little, or no integrity check, in $host"
    exit 1
  fi
done
