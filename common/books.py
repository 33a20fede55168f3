"""The books: what must hold in the database whenever nothing is under way. Read, never mended, here.

    @books.check("quotas.used_equals_records")
    def used_equals_records() -> Iterator[str]:
        ...
        yield f"bucket {pk}: used {used}, records {records}"

Each app registers its own in `<app>/books.py`, which is found by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.utils.module_loading import autodiscover_modules

from common.database import one_moment

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
    """Register a function that yields what is wrong, one sentence each, nothing when all is well."""

    def register(function: Check) -> Check:
        if name in _checks and _checks[name].__qualname__ != function.__qualname__:
            raise ValueError(f"two checks are named {name}")
        _checks[name] = function
        return function

    return register


def names() -> list[str]:
    """Every registered invariant."""
    autodiscover_modules("books")
    return sorted(_checks)


def findings(only: Iterable[str] = ()) -> list[Finding]:
    """What the named invariants find, or all of them. KeyError for a name nobody registered.

    All of them see one moment, whatever is written meanwhile.
    """
    known = names()
    wanted = list(only) or known
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise KeyError(", ".join(unknown))
    with one_moment():
        return [Finding(name, text) for name in wanted for text in _checks[name]()]


def verify_all() -> list[str]:
    """All findings, in words."""
    return [str(finding) for finding in findings()]
