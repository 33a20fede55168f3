"""The books: invariants that must hold whenever nothing is under way. Apps register theirs in `<app>/books.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

Check = Callable[[], Iterable[str]]

_checks: dict[str, Check] = {}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that cannot be right: which invariant, and in words what is wrong and what mends it."""

    check: str
    text: str

    def __str__(self) -> str:
        return f"{self.check}: {self.text}"


def check(name: str) -> Callable[[Check], Check]:
    """Register a function that yields what is wrong, nothing when all is well."""

    def register(function: Check) -> Check:
        _checks[name] = function
        return function

    return register


def findings() -> list[Finding]:
    """What every registered invariant finds."""
    return [Finding(name, text) for name, function in sorted(_checks.items()) for text in function()]


def verify_all() -> list[str]:
    """As findings, in words."""
    return [str(finding) for finding in findings()]
