"""Disputes whose events never came: found by asking Stripe for those made since the last look, and for ours that are open."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

from billing.gateways.stripe import gateway
from billing.gateways.values import DisputeState
from billing.models import Dispute, Drift
from billing.services.disputes import dispute_account, dispute_refresh
from billing.services.drift import Difference, Kind

LOOK_BACK = timedelta(days=120)
"""Before the first look: for about that long after a payment its bank takes a dispute of it."""
OVERLAP = timedelta(days=1)
DECIDED = ("won", "lost", "warning_closed", "prevented")
"""In Stripe's words; nothing changes any more."""


def dispute_differences(*, now: datetime, account_id: int | None = None) -> list[Difference]:
    """What differs for one account, or for all; what is no account's is left alone. Looking changes nothing.

    Raises PaymentProviderUnavailable.
    """
    found = []
    for state, ours in _shown(_since(now), account_id):
        if ours is not None:
            known_account, known = ours.account_id, ours.status
        else:
            account = dispute_account(state)
            if account is None or account_id not in (None, account.pk):
                continue
            known_account, known = account.pk, "none"
        if known != state.status:
            mend = partial(dispute_refresh, stripe_dispute_id=state.id)
            found.append(Difference(known_account, Kind.DISPUTE, state.id, known, state.status, mend))
    return found


def _since(now: datetime) -> datetime:
    looked_at = Drift.objects.filter(kind=Kind.DISPUTE).values_list("checked_at", flat=True).first()
    return (looked_at - OVERLAP) if looked_at is not None else now - LOOK_BACK


def _shown(since: datetime, account_id: int | None) -> Iterator[tuple[DisputeState, Dispute | None]]:
    """Those made since then, and ours that were open when we last heard of them; each with our row."""
    there = {state.id: state for state in gateway.disputes_since(since)}
    known = {one.stripe_id: one for one in Dispute.objects.filter(stripe_id__in=there)}
    for state in there.values():
        yield state, known.get(state.id)
    waiting = Dispute.objects.exclude(status__in=DECIDED).exclude(stripe_id__in=there)
    if account_id is not None:
        waiting = waiting.filter(account_id=account_id)
    for row in waiting.order_by("pk"):
        now_there = gateway.dispute_get(row.stripe_id)
        if now_there is not None:
            yield now_there, row
