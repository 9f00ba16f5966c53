#!/bin/sh
# SPDX-License-Identifier: MIT OR BSD-3-Clause
# usage: npm_install.sh NPM FROM TO: installs what FROM/package-lock.json names into TO/node_modules, unless that is there.
set -eu
npm=$1 from=$2 to=$3
mkdir -p "$to"
exec 9>"$to/lock"
flock 9 # tests of several build trees may run at once
if cmp -s "$from/package-lock.json" "$to/installed"; then exit 0; fi
rm -f "$to/installed"
cp "$from/package.json" "$from/package-lock.json" "$to"
cd "$to"
"$npm" ci --no-audit --no-fund --ignore-scripts 9>&-
cp "$from/package-lock.json" installed
