"""Fitting what is stored to the room there is: the excess is archived, and comes back when there is more room again.

The limit holds by itself from the moment of a switch: more than it is in use then, so nothing new is allowed. What is
done here follows from a promise written in the transaction of the switch, may run twice, and goes by the meter's
limit of the moment it runs.
"""

from datetime import datetime

import structlog
from django.db import transaction

from billing.enums import ChangeStatus
from billing.models import PlanChange, StoredFit
from billing.rules import stored as rules
from billing.stored import Store, stores
from common import audit, outbox
from common.locks import locked
from quotas.enums import Mode, Window
from quotas.selectors import quota_status

log = structlog.get_logger(__name__)

FIT = "billing.tasks.stored_fit"


def stored_fit_promise(*, account_id: int, now: datetime, moments: list[datetime]) -> None:
    """In the transaction that changes limits: what is stored will be fitted to them, at each of the moments."""
    if not stores():
        return
    for moment in moments:
        outbox.promise(FIT, {"account_id": account_id}, now=now, due_at=moment)


def stored_check(*, account_id: int, metric: str, now: datetime) -> None:
    """After something was stored: did the limit fall while it was being made, what is stored is fitted once more.

    Call it when the thing is there for all to see. So whoever lowers the limit either sees the thing or is seen here.
    """
    limit = _limit(account_id, metric)
    if limit is not None and any(
        bound.used > limit for bound in quota_status(account_id=account_id, metric=metric)
    ):
        with transaction.atomic():
            stored_fit_promise(account_id=account_id, now=now, moments=[now])


def stored_fit(*, account_id: int, now: datetime) -> None:
    """Archives what exceeds the room there is now, or brings back as much as it allows. Call it as often as you like.

    One at a time for each account, and each by the limit it finds: so the last one goes by the last limit.
    """
    for metric, store in stores().items():
        with locked(f"stored:{account_id}:{metric}"):
            _fit(account_id, metric, store, now)


def _fit(account_id: int, metric: str, store: Store, now: datetime) -> None:
    limit = _limit(account_id, metric)
    chosen = kept_by_choice(account_id=account_id, now=now)
    in_use = [one["id"] for one in store.in_use(account_id)]
    last = StoredFit.objects.filter(account_id=account_id, metric=metric).first()
    put_away, brought_back = 0, 0
    if limit is not None and len(in_use) > limit:
        put_away = store.archive(account_id, rules.excess(in_use=in_use, chosen=chosen, limit=limit), now)
    elif last is None or rules.has_grown(before=last.limit_units, now=limit):
        room = None if limit is None else limit - len(in_use)
        brought_back = _bring_back(account_id, store, chosen, room, now)
    StoredFit.objects.update_or_create(
        account_id=account_id, metric=metric, defaults={"limit_units": limit, "fitted_at": now}
    )
    if put_away or brought_back:
        figures = {"limit": limit, "archived": put_away, "restored": brought_back}
        audit.record(
            actor=None,
            account_id=account_id,
            action="stored.fitted",
            subject=metric,
            data=figures,
            now=now,
        )
        log.info("stored_fitted", account=account_id, metric=metric, **figures)


def _bring_back(
    account_id: int, store: Store, chosen: frozenset[str], room: int | None, now: datetime
) -> int:
    count = 0
    archived = [one["id"] for one in store.archived(account_id)]
    for id_ in rules.returning(archived=archived, chosen=chosen):
        if room is not None and count >= room:
            break
        count += store.restore(account_id, id_, now)
    return count


def _limit(account_id: int, metric: str) -> int | None:
    """How many may be in use now; None without a limit, 0 where nothing gives the right to any."""
    bounds = [
        bound
        for bound in quota_status(account_id=account_id, metric=metric)
        if bound.window == Window.CAPACITY
    ]
    if not bounds:
        return 0
    limits = [bound.limit for bound in bounds if bound.limit is not None and bound.mode == Mode.BLOCK]
    return min(limits, default=None)


def kept_by_choice(*, account_id: int, now: datetime) -> frozenset[str]:
    """What the user wanted kept at the last change of plan whose moment has come."""
    change = (
        PlanChange.objects.filter(
            account_id=account_id,
            status__in=[ChangeStatus.SCHEDULED, ChangeStatus.APPLIED],
            effective_at__lte=now,
        )
        .order_by("-effective_at", "-requested_at")
        .first()
    )
    return frozenset(change.keep_ids) if change else frozenset()
