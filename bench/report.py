"""The figures for people; programs read the JSON lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.sides import Result


def print_facts(facts: Mapping[str, object]) -> None:
    for name, value in facts.items():
        print(f"{name:>12}  {value}")
    print(
        "One fsync (fdatasync of 8 kB) takes",
        facts["fsync_us"],
        "µs here; nothing below is faster by skipping it.",
    )


def print_table(results: Sequence[Result]) -> None:
    print(f"\n{'row':<6}{'ratio':>9}  {'target':<9}{'spread':<17}{'a (ops/s)':<26}{'b (ops/s)'}")
    for result in results:
        target = result.target
        sign = "≤" if target.at_most else "≥"
        print(
            f"{target.id:<6}{result.ratio:>9.2f}  {f'{sign} {target.value:g}':<9}"
            f"{f'{result.low:.2f} … {result.high:.2f}':<17}"
            f"{f'{target.ours}: {result.a:,.0f}':<26}{target.reference}: {result.b:,.0f}"
            f"{'' if result.met else '   (not reached)'}"
        )
    print()
