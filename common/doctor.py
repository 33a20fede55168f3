"""What an installation needs to work, looked at from outside the request path: `manage.py doctor`.

    @doctor.check("database")
    def database() -> Iterator[Symptom]:
        yield doctor.failing("fsync is off", mend="Set fsync = on: a crash would lose what callers were told.")

Each app registers its own in `<app>/doctor.py`, which is found by its name. Nothing is changed by looking.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

import structlog
from django.utils.module_loading import autodiscover_modules

log = structlog.get_logger(__name__)

WARNING, FAILING = "warning", "failing"


@dataclass(frozen=True, slots=True)
class Symptom:
    """Something that is not as it should be, how bad it is, and what mends it."""

    level: str
    text: str
    mend: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What one check found; nothing when all is well."""

    check: str
    symptoms: tuple[Symptom, ...]

    @property
    def level(self) -> str:
        """The worst of what was found: "ok", "warning" or "failing"."""
        levels = {symptom.level for symptom in self.symptoms}
        return next((level for level in (FAILING, WARNING) if level in levels), "ok")


Check = Callable[[], Iterable[Symptom]]

_checks: dict[str, Check] = {}


def warning(text: str, *, mend: str) -> Symptom:
    """Works, but not for ever or not well."""
    return Symptom(WARNING, text, mend)


def failing(text: str, *, mend: str) -> Symptom:
    """Something that people pay for does not work."""
    return Symptom(FAILING, text, mend)


def check(name: str) -> Callable[[Check], Check]:
    """Register a function that yields symptoms."""

    def register(function: Check) -> Check:
        if name in _checks and _checks[name].__qualname__ != function.__qualname__:
            raise ValueError(f"two checks are named {name}")
        _checks[name] = function
        return function

    return register


def names() -> list[str]:
    """Every registered check, in the order of the rooms: what others stand on comes first."""
    autodiscover_modules("doctor")
    return list(_checks)


def examine(*, only: Collection[str] = (), skip: Collection[str] = ()) -> list[Diagnosis]:
    """What each check finds. KeyError names those that nobody registered."""
    known = names()
    unknown = sorted({*only, *skip} - set(known))
    if unknown:
        raise KeyError(", ".join(unknown))
    wanted = [name for name in known if name not in skip and (not only or name in only)]
    return [Diagnosis(name, tuple(_found(name))) for name in wanted]


def _found(name: str) -> Iterator[Symptom]:
    """What a check finds. One that itself falls ill is told as a symptom, so that the others are still asked."""
    try:
        yield from _checks[name]()
    except Exception as error:
        log.exception("doctor_check_failed", check=name)
        yield failing(
            f"The check itself failed: {type(error).__name__}: {error}", mend="See the traceback in the log."
        )
