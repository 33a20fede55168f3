"""What is unlike usual: looked for regularly, kept while it lasts, shown to staff, and an alert by its gauge.

    @anomalies.finder("use")
    def unusual_use(now: datetime) -> Iterator[Unusual]: ...

Each app registers its finders in its `anomalies.py`, which is found by its name. A finder that does not answer in time
or fails leaves what it found before as it was, and is logged: not looked is not "all is usual".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import DatabaseError, transaction
from django.utils.module_loading import autodiscover_modules

from common.database import answered_within
from common.locks import lock_in_transaction
from common.metrics import anomalies_found_total, anomalies_unlooked_total
from common.models import Anomaly

LONGEST_S = 20
MOST = 200

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Unusual:
    """`subject` names it in few words, the same each time it is looked at; `observed` against the `usual` figure."""

    subject: str
    observed: int
    usual: int
    account_id: int | None = None


Finder = Callable[[datetime], Iterable[Unusual]]

_finders: dict[str, Finder] = {}


def finder(kind: str) -> Callable[[Finder], Finder]:
    """Register a function that yields what of that kind is unusual at an instant, the worst first."""

    def register(function: Finder) -> Finder:
        if kind in _finders and _finders[kind].__qualname__ != function.__qualname__:
            raise ValueError(f"two finders look for {kind}")
        _finders[kind] = function
        return function

    return register


def kinds() -> list[str]:
    """Every kind that is looked for."""
    autodiscover_modules("anomalies")
    return sorted(_finders)


def anomalies_look(*, now: datetime) -> dict[str, int]:
    """Look for all kinds; how many of each there are now. A kind that could not be looked at is left out."""
    found = {}
    for kind in kinds():
        try:
            with answered_within(LONGEST_S):
                unusual = list(_finders[kind](now))[:MOST]
        except DatabaseError:
            anomalies_unlooked_total.labels(kind).inc()
            log.exception("anomalies_not_looked_at", kind=kind)
            continue
        _keep(kind, unusual, now)
        found[kind] = len(unusual)
    return found


@transaction.atomic
def _keep(kind: str, found: list[Unusual], now: datetime) -> None:
    """What is new begins, what lasts is brought up to date, what is gone ends."""
    lock_in_transaction(f"anomalies:{kind}")
    open_ones = {one.subject: one for one in Anomaly.objects.filter(kind=kind, ended_at__isnull=True)}
    for one in found:
        known = open_ones.pop(one.subject, None)
        if known is None:
            Anomaly.objects.create(
                kind=kind,
                subject=one.subject,
                account_id=one.account_id,
                observed=one.observed,
                usual=one.usual,
                began_at=now,
                seen_at=now,
            )
            anomalies_found_total.labels(kind).inc()
            log.warning("anomaly", kind=kind, subject=one.subject, observed=one.observed, usual=one.usual)
        else:
            Anomaly.objects.filter(pk=known.pk).update(observed=one.observed, usual=one.usual, seen_at=now)
    Anomaly.objects.filter(pk__in=[one.pk for one in open_ones.values()]).update(ended_at=now)


def anomalies_prune(*, before: datetime) -> int:
    """Forget those that ended before an instant; how many."""
    return Anomaly.objects.filter(ended_at__lt=before).delete()[0]
