#!/bin/sh
# Run by npm at install: builds the shim with the C compiler, and in a checkout the bundle.
set -e
cd "$(dirname "$0")/.."
compiler=${CC:-cc}
if ! command -v "$compiler" >/dev/null 2>&1; then
  echo "gantry: no C compiler ('$compiler') found: the container shim cannot be built." >&2
  echo "gantry: install one (Debian: apt-get install gcc libc6-dev; Alpine: apk add gcc musl-dev), or set CC, then run 'npm ci' again." >&2
  exit 1
fi
CC="$compiler" sh native/shim/build.sh
[ -d src ] && [ -d node_modules/esbuild ] && bin/node scripts/build.ts
exit 0
