#!/bin/sh
# Runs every benchmark and prints one Markdown report: machine, targets, all measurements.
#   bench/run_all.sh [build directory] [options of the programs, e.g. --quick]
set -eu
source_directory=$(cd "$(dirname "$0")/.." && pwd)
build_directory=$source_directory/build/release
case "${1:-}" in
  "" | --*) ;;
  *) build_directory=$1; shift ;;
esac
programs=$build_directory/bench
for program in allocator_bench arena_bench sqlite_bench pool_bench plan_bench; do
  if [ ! -x "$programs/$program" ]; then
    echo "$programs/$program is missing: run make release" >&2
    exit 1
  fi
done

revision=$(git -C "$source_directory" describe --always --dirty 2>/dev/null || echo unknown)
processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
echo "Date: $(date -u +%Y-%m-%d). Revision: $revision. Options: ${*:-none}."
echo "Machine: $(nproc) × $processor, Linux $(uname -r), $(ldd --version | head -n 1)."
load=$(uptime | sed 's/.*average://')
echo "SQLite $(sqlite3 --version | cut -d ' ' -f 1). Load before the run:$load."
echo
"$programs/allocator_bench" "$@"
"$programs/arena_bench" "$@"
"$programs/sqlite_bench" "$@"
"$programs/pool_bench" "$@"
"$programs/plan_bench" "$@"
