#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR BSD-3-Clause
# check_examples.sh ORBITD ROOT: the example.toml of every plugin, as part of a node's configuration, has no mistakes.
set -euo pipefail
orbitd=$1 count=0 wrong=0
cd "$2"
whole=$(mktemp "${TMPDIR:-/tmp}/orbit-example.XXXXXX.toml")
trap 'rm -f "$whole"' EXIT
for file in plugins/*/*/example.toml; do
  count=$((count + 1))
  cat "$file" >"$whole"
  # A node needs storage; an example of something else does not show it.
  grep -q 'id = "orbit.storage' "$file" ||
    printf '[[plugin]]\nname = "storage-for-the-example"\nid = "orbit.storage.memory"\n' >>"$whole"
  # Secrets that an example takes from the environment are somebody's own.
  mapfile -t secrets < <(grep -oE '\$\{[A-Z_]+\}' "$file" | tr -d '${}' | sed 's/$/=of-an-example/')
  env "${secrets[@]}" "$orbitd" --check-config "$whole" >/dev/null || { echo "^ $file" >&2; wrong=$((wrong + 1)); }
done
echo "$count examples, $wrong with mistakes"
((count > 0 && wrong == 0))
