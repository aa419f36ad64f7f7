#!/usr/bin/env bash
# Fails unless Clang's analyzer follows paths through a source that a batch includes. It does so
# only where the batch's path has a word that WebKit uses; see the preset "lint".
set -euo pipefail
directory=$1/analyzer_probe
mkdir -p "$directory"
cat >"$directory/included.cpp" <<'END'
int value_of(bool is_there, const int* place) {
  const int* chosen = nullptr;
  if (is_there) chosen = place;
  return *chosen;
}
END
echo '#include "included.cpp"' >"$directory/batch.cxx"
findings=$(clang-tidy -quiet -header-filter='.*' '-checks=-*,clang-analyzer-core.*' \
  "$directory/batch.cxx" -- 2>&1) || :
case $findings in
  *clang-analyzer-core.NullDereference*) ;;
  *)
    printf 'the analyzer does not see a null pointer that is there:\n%s\n' "$findings"
    exit 1
    ;;
esac
