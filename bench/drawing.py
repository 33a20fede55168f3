"""docs/performance.svg from the results of one full run: bars of both sides, and how far the ratio is from its target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from bench.sides import Result
from sandbox.environment import ROOT

PERFORMANCE_SVG = ROOT / "docs" / "performance.svg"
TITLE = "Operations per second, side by side"
WIDTH, MARGIN, ROW, BAR = 860, 24, 96, 18
BAR_LEFT, BAR_WIDTH = 190, 440

STYLE = """
  svg { color-scheme: light dark; font: 14px system-ui, sans-serif; }
  .ground { fill: #ffffff } .ink { fill: #1d2433 } .quiet { fill: #5d6678 }
  .ours { fill: #2f6f5e } .other { fill: #b8bfcc } .met { fill: #2f6f5e } .unmet { fill: #b4441f }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #14181f } .ink { fill: #e8ecf3 } .quiet { fill: #9aa4b6 }
    .ours { fill: #5fb79f } .other { fill: #4a5364 } .met { fill: #5fb79f } .unmet { fill: #f0875f }
  }
"""


def draw(results: Sequence[Result], facts: Mapping[str, object], path: Path) -> None:
    """Write the picture. It carries its figures as text, and follows the reader's light or dark theme."""
    height = MARGIN * 2 + 56 + ROW * len(results)
    caption = (
        f"{facts['processor']}, {facts['cores']} cores, PostgreSQL {facts['postgresql']}, "
        f"Python {facts['python']}, fsync {facts['fsync_us']} µs"
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="title">',
        f'<title id="title">{TITLE}</title>',
        f"<style>{STYLE}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{height}" rx="8"/>',
        _text(MARGIN, MARGIN + 14, TITLE, "ink", size=18),
        _text(MARGIN, MARGIN + 36, caption, "quiet", size=12),
    ]
    for number, result in enumerate(results):
        parts += _row(result, MARGIN + 64 + number * ROW)
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join([*parts, "</svg>", ""]), encoding="utf-8")


def _row(result: Result, top: int) -> list[str]:
    target = result.target
    largest = max(result.a, result.b)
    sign = "≤" if target.at_most else "≥"
    verdict = f"{result.ratio:.2f} ×"
    return [
        _text(MARGIN, top + 12, f"{target.id}  {target.title}", "ink"),
        *_bar(top + 22, target.ours, result.a, largest, "ours"),
        *_bar(top + 22 + BAR + 6, target.reference, result.b, largest, "other"),
        _text(WIDTH - MARGIN, top + 40, verdict, "met" if result.met else "unmet", size=22, anchor="end"),
        _text(WIDTH - MARGIN, top + 60, f"target {sign} {target.value:g}", "quiet", size=12, anchor="end"),
    ]


def _bar(top: int, name: str, value: float, largest: float, kind: str) -> list[str]:
    width = max(1.0, BAR_WIDTH * value / largest)
    inside = width > BAR_WIDTH * 0.8
    label_at = BAR_LEFT + width - 6 if inside else BAR_LEFT + width + 6
    return [
        _text(BAR_LEFT - 8, top + 14, name, "quiet", size=13, anchor="end"),
        f'<rect class="{kind}" x="{BAR_LEFT}" y="{top}" width="{width:.1f}" height="{BAR}" rx="3"/>',
        _text(
            label_at,
            top + 14,
            f"{value:,.0f}",
            "ground" if inside else "ink",
            size=13,
            anchor="end" if inside else "start",
        ),
    ]


def _text(x: float, y: float, text: str, kind: str, *, size: int = 14, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{escape(text)}</text>'
