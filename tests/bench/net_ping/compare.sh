#!/bin/bash
# SPDX-License-Identifier: MIT OR BSD-3-Clause
# compare.sh BENCH_NET_PING [rounds] [workers] [spin_us] [requests]: PING over our net and over redis-server,
# in turn; the ratios of the median rates, and the processor time per request, which says more on a machine that has
# other work.
set -euo pipefail
server=$1 rounds=${2:-5} workers=${3:-1} spin_us=${4:-0} base_requests=${5:-200000}
dir=$(mktemp -d)
trap 'kill "${ours_pid:-}" "${redis_pid:-}" 2>/dev/null || true; rm -rf "$dir"' EXIT
mkfifo "$dir/in"
"$server" 0 "$workers" "$spin_us" <"$dir/in" >"$dir/address" & ours_pid=$!
exec 9>"$dir/in"
redis_port=$((20000 + RANDOM % 20000))
redis-server --port "$redis_port" --bind 127.0.0.1 --save '' --appendonly no >"$dir/redis.log" & redis_pid=$!
for _ in $(seq 100); do
  [ -s "$dir/address" ] && redis-cli -p "$redis_port" ping >/dev/null 2>&1 && break
  sleep 0.05
done
ours_port=$(sed 's/.*://' "$dir/address")

run() {  # port pipeline requests -> "inline mbulk" requests per second
  redis-benchmark -p "$1" -c 50 -P "$2" -n "$3" -t ping --csv 2>/dev/null |
    awk -F'"' '/PING_INLINE/ {a = $4} /PING_MBULK/ {b = $4} END {print a, b}'
}
ticks() { awk '{print $14 + $15}' "/proc/$1/stat"; }  # user and system time so far, in hundredths of a second
for pipeline in 1 16; do
  requests=$((pipeline == 1 ? base_requests : base_requests * 10))
  : >"$dir/ours" && : >"$dir/redis"
  ours_ticks=$(ticks "$ours_pid") redis_ticks=$(ticks "$redis_pid")
  for _ in $(seq "$rounds"); do
    run "$ours_port" "$pipeline" "$requests" >>"$dir/ours"
    run "$redis_port" "$pipeline" "$requests" >>"$dir/redis"
  done
  awk -v p="$pipeline" -v a="$(($(ticks "$ours_pid") - ours_ticks))" -v b="$(($(ticks "$redis_pid") - redis_ticks))" \
    -v n="$((requests * rounds * 2))" \
    'BEGIN {printf "-P %-2d processor us per request: ours %.2f  redis %.2f\n", p, a * 1e4 / n, b * 1e4 / n}'
  for column in 1 2; do
    a=$(cut -d' ' -f$column "$dir/ours" | sort -n | sed -n "$(((rounds + 1) / 2))p")
    b=$(cut -d' ' -f$column "$dir/redis" | sort -n | sed -n "$(((rounds + 1) / 2))p")
    name=$([ $column = 1 ] && echo PING_INLINE || echo PING_MBULK)
    awk -v n="$name" -v p="$pipeline" -v a="$a" -v b="$b" \
      'BEGIN {printf "-P %-2d %-11s ours %8.0f  redis %8.0f  ratio %.2f\n", p, n, a, b, a / b}'
  done
done
