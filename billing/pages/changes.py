"""The history of plan changes in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from billing.enums import ChangeKind, ChangeStatus, EndCause, SubscriptionStatus
from billing.gateways.client import MISSING_METHOD
from billing.models import PlanChange, Subscription
from billing.pages.plan_now import Amount, name_of
from billing.pages.words import interval_word
from billing.selectors import ends_unasked, plan_change_history
from common.formats import date_text

TONES = {ChangeStatus.APPLIED: "ok", ChangeStatus.FAILED: "bad", ChangeStatus.PENDING: "near"}


@dataclass(frozen=True)
class ChangeRow:
    title: str
    at: datetime
    status_text: str
    tone: str
    note: str
    amount: Amount | None


def recent_rows(account_id: int, *, limit: int) -> list[ChangeRow]:
    """What last became of the account's plan, newest first: the changes asked for, and ends that nobody asked for."""
    rows = [
        *(_row(change) for change in plan_change_history(account_id)[:limit]),
        *(_end_row(one) for one in ends_unasked(account_id)[:limit]),
    ]
    return sorted(rows, key=lambda row: row.at, reverse=True)[:limit]


def charged_of(change: PlanChange) -> Amount:
    """What this change really took: nothing while it is not applied."""
    return {"amount_minor": change.charged_minor or 0, "currency": change.currency}


def title_of(change: PlanChange) -> str:
    """Free → Basic; Basic (yearly) where only the interval tells the two apart."""
    if change.from_price is None:
        return _("Start of %(plan)s") % {"plan": name_of(change.to_price)}
    if change.kind == ChangeKind.MOVE:
        return _("%(plan)s: new terms") % {"plan": name_of(change.to_price)}
    names = {"from": name_of(change.from_price), "to": name_of(change.to_price)}
    if names["from"] == names["to"] and change.to_price is not None:
        return _("%(plan)s: from %(from)s to %(to)s") % {
            "plan": names["to"],
            "from": interval_word(change.from_price.interval),
            "to": interval_word(change.to_price.interval),
        }
    return pgettext("plans", "%(from)s to %(to)s") % names


def _row(change: PlanChange) -> ChangeRow:
    return ChangeRow(
        title=title_of(change),
        at=change.requested_at,
        status_text=str(ChangeStatus(change.status).label),
        tone=TONES.get(ChangeStatus(change.status), ""),
        note=_note(change),
        amount=charged_of(change) if change.charged_minor is not None else None,
    )


def _end_row(subscription: Subscription) -> ChangeRow:
    assert subscription.ended_at is not None, "only what has ended has a cause of its end"
    return ChangeRow(
        title=_("%(plan)s has ended") % {"plan": subscription.plan.name},
        at=subscription.ended_at,
        status_text=str(SubscriptionStatus(subscription.status).label),
        tone="bad" if subscription.end_cause == EndCause.UNPAID else "",
        note=str(EndCause(subscription.end_cause).label),
        amount=None,
    )


def _note(change: PlanChange) -> str:
    if change.status == ChangeStatus.SCHEDULED and change.effective_at:
        return _("for %(date)s") % {"date": date_text(change.effective_at)}
    if change.status == ChangeStatus.FAILED:
        return failure_text(change.error_code, change.error_details)
    return ""


def failure_text(code: str, details: Mapping[str, Any]) -> str:
    """Why an attempt failed, and that nothing was taken."""
    replaced = details.get("reason") == "replaced"
    no_card = details.get("decline_code") == MISSING_METHOD
    texts = {
        "payment_failed": _("there was no card to charge, nothing was charged")
        if no_card
        else _("the payment was refused, nothing was charged"),
        "payment_action_required": _("you chose something else before it was paid, nothing was charged")
        if replaced
        else _("the payment was not confirmed in time, nothing was charged"),
    }
    return texts.get(code, _("nothing was charged"))
