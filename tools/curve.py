#!/usr/bin/env python3
"""Draws the curve of runs as a small SVG: training loss (smoothed) and held-out loss over minutes of training.

    python3 tools/curve.py OUT.svg TITLE RUN/log.jsonl [RUN2/log.jsonl …]
"""
import json
import math
import sys

out, title, logs = sys.argv[1], sys.argv[2], sys.argv[3:]
W, H, LEFT, BOTTOM, TOP = 760, 380, 58, 44, 34
COLOURS = ["#2a6fbb", "#c8553d", "#3a8f5c", "#8257a6"]
series = []
for path in logs:
    rows = [json.loads(line) for line in open(path)]
    train, held, smooth = [], [], None
    for r in rows:
        if "lr" in r:
            smooth = r["loss"] if smooth is None else 0.97 * smooth + 0.03 * r["loss"]
            train.append((r["train_seconds"] / 60, smooth))
        if "eval_nats_per_token" in r:
            held.append((r["train_seconds"] / 60, r["eval_nats_per_token"]))
    series.append((train[:: max(1, len(train) // 400)], held))
xs = [x for t, h in series for x, _ in t + h]
ys = sorted(y for t, h in series for _, y in t + h)
x1, y0, y1 = max(xs), math.floor(ys[0] * 5) / 5, min(math.ceil(ys[-1] * 5) / 5, ys[int(len(ys) * 0.97)] + 0.4)
px = lambda x: LEFT + x / x1 * (W - LEFT - 16)
py = lambda y: TOP + (y1 - min(y, y1)) / (y1 - y0) * (H - TOP - BOTTOM)
svg = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {W} {H}" font-family="sans-serif" font-size="12">',
       f'<rect width="{W}" height="{H}" fill="#fff"/><text x="{LEFT}" y="20" font-size="14" fill="#222">{title}</text>']
step = next(s for s in (0.05, 0.1, 0.2, 0.5, 1, 2) if (y1 - y0) / s <= 9)
y = y0
while y <= y1 + 1e-9:
    svg.append(f'<line x1="{LEFT}" x2="{W - 16}" y1="{py(y):.1f}" y2="{py(y):.1f}" stroke="#ddd"/>'
               f'<text x="{LEFT - 8}" y="{py(y) + 4:.1f}" text-anchor="end" fill="#555">{y:.2f}</text>')
    y += step
for i in range(6):
    svg.append(f'<text x="{px(x1 * i / 5):.1f}" y="{H - 24}" text-anchor="middle" fill="#555">{x1 * i / 5:.1f}</text>')
svg.append(f'<text x="{W / 2}" y="{H - 6}" text-anchor="middle" fill="#555">minutes of training</text>'
           f'<text x="14" y="{H / 2}" fill="#555" transform="rotate(-90 14 {H / 2})" text-anchor="middle">nats per token</text>')
for (train, held), colour in zip(series, COLOURS):
    line = lambda points: " ".join(f"{px(x):.1f},{py(v):.1f}" for x, v in points)
    svg.append(f'<polyline points="{line(train)}" fill="none" stroke="{colour}" stroke-opacity="0.45"/>')
    svg.append(f'<polyline points="{line(held)}" fill="none" stroke="{colour}" stroke-width="2"/>')
    svg += [f'<circle cx="{px(x):.1f}" cy="{py(v):.1f}" r="3.2" fill="{colour}"/>' for x, v in held]
    svg.append(f'<text x="{px(held[-1][0]) - 6:.1f}" y="{py(held[-1][1]) - 9:.1f}" text-anchor="end" fill="{colour}">held-out {held[-1][1]:.3f}</text>')
svg.append("</svg>")
open(out, "w").write("\n".join(svg) + "\n")
print(out, f"{len(series)} runs")
