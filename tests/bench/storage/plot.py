#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR BSD-3-Clause
"""Draws the CSV of `bench_storage --sustained` as an SVG: plot.py IN.csv OUT.svg. Throughput per second, a line for each engine."""
import csv
import math
import sys
from html import escape

WIDTH, HEIGHT = 900, 420
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 40, 44
COLOURS = {"cow_btree": "#1b6ca8", "lsm": "#c8553d", "rocksdb": "#5b8c5a"}
SPARE = ["#7d5ba6", "#b8860b", "#444444", "#008b8b"]


def read(path):
    """Thousands of operations of each second, by engine."""
    series = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            total = sum(int(row[name]) for name in ("gets", "puts", "durable_puts", "scans"))
            series.setdefault(row["engine"], []).append((int(row["second"]), total / 1000))
    return series


def step_of(most, parts=6):
    """A round distance of lines on an axis up to `most`."""
    raw = max(most, 1e-9) / parts
    base = 10 ** math.floor(math.log10(raw))
    return next(base * n for n in (1, 2, 5, 10) if base * n >= raw)


def draw(series):
    seconds = max(second for points in series.values() for second, _ in points) + 1
    top = max(value for points in series.values() for _, value in points)
    step = step_of(top)
    top = math.ceil(top / step) * step
    x = lambda second: LEFT + second / seconds * (WIDTH - LEFT - RIGHT)
    y = lambda value: HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for n in range(round(top / step) + 1):
        out.append(f'<path d="M{LEFT} {y(n * step):.1f}H{WIDTH - RIGHT}" stroke="#dddddd"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y(n * step) + 4:.1f}" text-anchor="end">{n * step:g}</text>')
    across = step_of(seconds, 10)
    for n in range(int(seconds / across) + 1):
        out.append(f'<text x="{x(n * across):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{n * across:g}</text>')
    out.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">seconds</text>')
    out.append(f'<text x="8" y="20">thousands of operations each second</text>')
    spare = iter(SPARE * 4)
    for n, (engine, points) in enumerate(series.items()):
        colour = COLOURS.get(engine) or next(spare)
        path = "L".join(f"{x(second + 0.5):.1f} {y(value):.1f}" for second, value in points)
        out.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        out.append(f'<text x="{WIDTH - RIGHT - 170 * (len(series) - n) + 40}" y="20" fill="{colour}">{escape(engine)}</text>')
    out.append("</svg>")
    return "\n".join(out) + "\n"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    series = read(sys.argv[1])
    if not series:
        sys.exit(f"plot.py: nothing in {sys.argv[1]}")
    with open(sys.argv[2], "w") as file:
        file.write(draw(series))


if __name__ == "__main__":
    main()
