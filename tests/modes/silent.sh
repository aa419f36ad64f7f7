#!/usr/bin/env bash
# Programs without SQLite do not notice the preload library; without address space SQLite does not.
set -eu
preload=$SQLITEMEM_BUILD_DIR/libsqlitemem_preload.so

fail() { echo "$*"; exit 1; }

# Same bytes, same exit status, nothing on standard error.
for command in true false 'echo hello' 'ls /' 'bash -c "exit 7"' 'awk "BEGIN { print 6 * 7 }"'; do
  rc=0; bash -c "$command" >plain.out 2>plain.err || rc=$?
  rc_preloaded=0
  LD_PRELOAD=$preload bash -c "$command" >preloaded.out 2>preloaded.err || rc_preloaded=$?
  [ "$rc" = "$rc_preloaded" ] || fail "$command: exit status $rc_preloaded and not $rc"
  cmp plain.out preloaded.out || fail "$command: another output"
  [ ! -s preloaded.err ] || fail "$command: $(cat preloaded.err)"
done

# No reservation and no thread: only the library's own file is mapped.
kilobytes() { awk -v name="$2:" '$1 == name { print $2 }' "$1"; }
cat /proc/self/status >plain.status
LD_PRELOAD=$preload cat /proc/self/status >preloaded.status
more=$(($(kilobytes preloaded.status VmSize) - $(kilobytes plain.status VmSize)))
[ "$more" -lt 4096 ] || fail "$more KiB more address space"
resident=$(($(kilobytes preloaded.status VmRSS) - $(kilobytes plain.status VmRSS)))
[ "$resident" -lt 1024 ] || fail "$resident KiB more memory"
[ "$(kilobytes preloaded.status Threads)" = 1 ] || fail "a thread was started"
# A program that is linked with SQLite and does not use it reserves nothing either.
LD_PRELOAD=$preload:/usr/lib/x86_64-linux-gnu/libsqlite3.so.0 cat /proc/self/status >linked.status \
  2>/dev/null || cp preloaded.status linked.status
more=$(($(kilobytes linked.status VmSize) - $(kilobytes plain.status VmSize)))
[ "$more" -lt 16384 ] || fail "$more KiB more address space in a program that does not use SQLite"
echo "a program without SQLite: $resident KiB more resident"

# Neither library is linked with SQLite, or with a C++ runtime that the program might not have.
for library in "$preload" "$SQLITEMEM_BUILD_DIR/sqlitemem.so"; do
  if ldd "$library" | grep -E 'sqlite3|stdc\+\+|libgcc'; then fail "$library links these"; fi
done

# Where no heap can be had, SQLite goes on with its own allocator.
answer=$(ulimit -v 20000 && LD_PRELOAD=$preload sqlite3 :memory: \
  "CREATE TABLE t(x); INSERT INTO t VALUES(zeroblob(100000)); SELECT length(x) FROM t;
   SELECT memory_mode();")
case $answer in
  100000*observing:\ The\ address\ space*) ;;
  *) fail "without address space: $answer" ;;
esac
