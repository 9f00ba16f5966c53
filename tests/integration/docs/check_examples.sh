#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR BSD-3-Clause
# check_examples.sh ORBITD ROOT: the configurations that the tree shows to people have no mistakes.
set -euo pipefail
orbitd=$1 count=0 wrong=0
cd "$2"
for file in configs/*.toml plugins/*/*/example.toml; do
  count=$((count + 1))
  "$orbitd" --check-config "$file" >/dev/null || wrong=$((wrong + 1))
done
echo "$count configurations, $wrong with mistakes"
((count > 0 && wrong == 0))
