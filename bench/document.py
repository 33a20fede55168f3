"""The results of a full run in docs/performance.md, between its two marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.drawing import PERFORMANCE_SVG
from bench.sides import Result
from sandbox.environment import ROOT

PERFORMANCE_MD = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- results: written by `make bench` -->", "<!-- end of results -->"


def write_results(results: Sequence[Result], facts: Mapping[str, object], path: Path) -> None:
    """Replace what stands between the marks. ValueError when they are not there."""
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"{path.name} has no place for the results")
    path.write_text(f"{before}{BEGIN}\n{_table(results, facts)}\n{END}{after}", encoding="utf-8")


def _table(results: Sequence[Result], facts: Mapping[str, object]) -> str:
    machine = (
        f"{facts['processor']}, {facts['cores']} cores, {facts['memory_gib']} GiB, {facts['system']}, "
        f"Python {facts['python']}, PostgreSQL {facts['postgresql']}, one fsync {facts['fsync_us']} µs, "
        f"load {facts['load']} before the run."
    )
    rows = [_row(result) for result in results]
    head = [
        "| row | ratio | target | spread | ours, per second | reference, per second |",
        "|---|---|---|---|---|---|",
    ]
    picture = f"![Operations per second, side by side]({PERFORMANCE_SVG.name})"
    return "\n".join([picture, "", f"Last full run: {machine}", "", *head, *rows])


def _row(result: Result) -> str:
    target = result.target
    sign = "≤" if target.at_most else "≥"
    verdict = "" if result.met else " (not reached)"
    return (
        f"| {target.id} | **{result.ratio:.2f}**{verdict} | {sign} {target.value:g} | {result.low:.2f} … {result.high:.2f} "
        f"| {target.ours}: {result.a:,.0f} | {target.reference}: {result.b:,.0f} |"
    )
