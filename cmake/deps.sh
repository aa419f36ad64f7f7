#!/usr/bin/env bash
# Installs those of the named Debian packages that are missing; does nothing at all if none is.
set -euo pipefail

if ! command -v dpkg-query >/dev/null; then
  echo "deps: not a Debian system; these packages or their like are needed: $*" >&2
  exit 0
fi

missing=()
for package in "$@"; do
  # shellcheck disable=SC2016  # The braces are dpkg-query's.
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
[ "${#missing[@]}" = 0 ] && exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || {
    echo "deps: these packages are missing, and installing them needs root: ${missing[*]}" >&2
    exit 1
  }
  as_root=(sudo)
fi
echo "deps: installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq
# Two lines for each package are of no interest; errors come on standard error.
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null >/dev/null
