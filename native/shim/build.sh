#!/bin/sh
# Builds native/shim/shim with the C compiler: static where the C library allows it, since the program runs inside containers.
set -e
cd "$(dirname "$0")"
cc=${CC:-cc}
if ! command -v "$cc" >/dev/null 2>&1; then
  echo "gantry: no C compiler ('$cc'): install gcc (Debian: apt-get install gcc libc6-dev), or set CC" >&2
  exit 1
fi
flags="-std=gnu11 -O2 -Wall -Wextra -fno-strict-aliasing -fstack-protector-strong -Wl,-z,relro,-z,now"
out=shim.tmp.$$
trap 'rm -f "$out"' EXIT
if ! "$cc" $flags -static -s -o "$out" ./*.c 2>"$out.log"; then
  if grep -qE 'cannot find -lc|libc\.a' "$out.log"; then
    "$cc" $flags -s -o "$out" ./*.c
  else
    cat "$out.log" >&2
    rm -f "$out.log"
    exit 1
  fi
fi
cat "$out.log" >&2
rm -f "$out.log"
mv "$out" shim
