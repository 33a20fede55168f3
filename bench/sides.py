"""What is measured: two or more sides, taken in turns, and the ratio of their medians."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol


class Side(Protocol):
    """One way of doing the work."""

    name: str

    def warm_up(self) -> None:
        """Bring it to its steady state."""

    def measure(self, seconds: float) -> float:
        """Operations completed per second, over about `seconds`. Raises when one of them failed."""


@dataclass(frozen=True)
class Target:
    """A row SP-n: `ours` ÷ `reference`, and what it has to reach (`at_most` for costs)."""

    id: str
    title: str
    ours: str
    reference: str
    value: float
    at_most: bool = False

    def met(self, ratio: float) -> bool:
        return ratio <= self.value if self.at_most else ratio >= self.value


@dataclass
class Samples:
    """Operations per second of each side, in the order they were taken."""

    by_side: dict[str, list[float]] = field(default_factory=dict)

    def add(self, side: str, value: float) -> None:
        self.by_side.setdefault(side, []).append(value)

    def median(self, side: str) -> float:
        return statistics.median(self.by_side[side])


@dataclass(frozen=True)
class Result:
    """One ratio. `low` and `high` are the ratios of neighbouring measurements that were furthest apart."""

    target: Target
    ratio: float
    low: float
    high: float
    a: float
    b: float

    @property
    def met(self) -> bool:
        return self.target.met(self.ratio)

    def as_json(self) -> Mapping[str, object]:
        return {
            "id": self.target.id,
            "ratio": round(self.ratio, 3),
            "target": self.target.value,
            "a": round(self.a, 1),
            "b": round(self.b, 1),
            "a_name": self.target.ours,
            "b_name": self.target.reference,
            "low": round(self.low, 3),
            "high": round(self.high, 3),
            "met": self.met,
        }


def interleave(sides: Sequence[Side], *, rounds: int, seconds: float) -> Samples:
    """Measure all sides in turns, and the first once more at the end: A B, A B, … A. What drifts hits all alike."""
    samples = Samples()
    for side in sides:
        side.warm_up()
    for _ in range(rounds):
        for side in sides:
            samples.add(side.name, side.measure(seconds))
    samples.add(sides[0].name, sides[0].measure(seconds))
    return samples


def compare(samples: Samples, target: Target) -> Result:
    """The ratio of medians, with the spread over the rounds."""
    ours, reference = samples.by_side[target.ours], samples.by_side[target.reference]
    # Each of the reference's measurements stands between two of ours; their mean is its neighbour.
    around = [(before + after) / 2 for before, after in pairwise(ours)]
    ratios = [a / b for a, b in zip(around, reference, strict=True)]
    a, b = samples.median(target.ours), samples.median(target.reference)
    return Result(target=target, ratio=a / b, low=min(ratios), high=max(ratios), a=a, b=b)
