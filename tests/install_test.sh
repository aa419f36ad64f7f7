#!/usr/bin/env bash
# Installs into an empty prefix, moves it, and uses it in every way that the README names.
set -euo pipefail
source_dir=$SQLITEMEM_SOURCE_DIR/tests/install_consumer
scratch=$(mktemp -d "$SQLITEMEM_TEST_DIR/install.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

step() { echo "== $*"; }
fail() {
  echo "install_test: $*" >&2
  exit 1
}
# says_mode MODE TEXT: memory_mode() begins with the mode.
says_mode() { [[ $2 == "$1:"* ]] || fail "expected mode $1, but memory_mode() says: $2"; }

step "install, then move the tree: nothing in it may name the old place"
cmake --install "$SQLITEMEM_BUILD_DIR" --prefix "$scratch/first" >install.log
mv first prefix
prefix=$scratch/prefix
if grep -rIl "$scratch/first\|$SQLITEMEM_BUILD_DIR" "$prefix"; then
  fail "these installed files name the build directory or the first prefix"
fi

step "find_package"
cmake -S "$source_dir" -B cmake_build -G Ninja -DCMAKE_PREFIX_PATH="$prefix" >configure.log ||
  { cat configure.log; fail "find_package(sqlitemem) failed"; }
cmake --build cmake_build >build.log || { cat build.log; fail "the consumer does not build"; }
says_mode managed "$(cmake_build/consumer)"
{ read -r loadable; read -r preload; read -r module_dir; read -r sql_dir; } <cmake_build/paths.txt

step "pkg-config"
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name sqlitemem.pc)")
export PKG_CONFIG_PATH
read -ra flags <<<"$(pkg-config --cflags --libs sqlitemem)"
cc -std=c99 -Wall -Wextra -Wpedantic -Werror "$source_dir/main.c" "${flags[@]}" -o by_pkg_config
says_mode managed "$(LD_LIBRARY_PATH=$(pkg-config --variable=libdir sqlitemem) ./by_pkg_config)"

step "the C++ compiler accepts the headers"
read -ra flags <<<"$(pkg-config --cflags sqlitemem)"
echo '#include <sqlitemem.hpp>' | c++ -std=c++20 -Wall -Wextra -Wpedantic -Werror -fsyntax-only \
  "${flags[@]}" -x c++ -

step "the loadable module and the preload library"
[ "$module_dir/sqlitemem.so" -ef "$loadable" ] || fail "$module_dir/sqlitemem.so is not $loadable"
[ "$(pkg-config --variable=moduledir sqlitemem)/sqlitemem.so" -ef "$loadable" ] ||
  fail "pkg-config's moduledir does not hold the module"
says_mode attached "$(sqlite3 :memory: ".load $module_dir/sqlitemem" "SELECT memory_mode();")"
says_mode managed "$(LD_PRELOAD=$preload sqlite3 :memory: "SELECT memory_mode();")"

step "the views"
[ "$(pkg-config --variable=sqldir sqlitemem)" -ef "$sql_dir" ] || fail "sqldir and SQL_DIR differ"
views=0
for view in "$sql_dir"/views/*.sql; do
  sqlite3 -bail :memory: ".load $module_dir/sqlitemem" ".read $view" >view.log 2>&1 ||
    { cat view.log; fail "$view does not run"; }
  views=$((views + 1))
done
echo "install_test: managed, attached and $views view files work from an installed tree"
