"""The meter's part of an account's story: limits now, credits, what was refused and why."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import forms

from accounts.admin.story import Act, Errand, Event, Panel, ReasonForm, Source, Table, register
from accounts.models import Account
from quotas.explain import refused_json
from quotas.models import LedgerEntry, RefusedCall, UsageDay
from quotas.selectors import quota_status
from quotas.services import wallet_adjust
from quotas.values import MAX_UNITS
from quotas.wallet_selectors import wallet_status

DAYS = 7
STAFF_MOST = 100_000
"""The most credits that are given or taken in one act: a slip of the hand stays small."""


def limits_panel(account: Account, now: datetime) -> Table | None:  # noqa: ARG001 - one signature for all
    bounds = quota_status(account_id=account.pk)
    rows = [
        (
            bound.metric,
            bound.window,
            f"{bound.used} + {bound.reserved} reserved" if bound.reserved else bound.used,
            "unlimited" if bound.limit is None else bound.limit,
            bound.state,
            bound.mode,
            f"{bound.source} {bound.source_ref}",
            bound.until,
            bound.reset_at,
        )
        for bound in bounds
    ]
    return (
        Table(("Metric", "Window", "Used", "Limit", "State", "Past it", "From", "Until", "Resets"), rows)
        if rows
        else None
    )


def credits_panel(account: Account, now: datetime) -> Table | None:
    status = wallet_status(account_id=account.pk, at=now)
    if not status.grants and not LedgerEntry.objects.filter(account=account).exists():
        return None
    rows: list[tuple[Any, ...]] = [
        (grant.source, grant.remaining_units, grant.units, grant.expires_at or "never", grant.reason)
        for grant in status.grants
    ]
    rows.append(("all that can be spent", status.balance_units, "", "", ""))
    return Table(("Credits from", "Left", "Of", "Expire", "Why"), rows)


def usage_panel(account: Account, now: datetime) -> Table | None:
    days = UsageDay.objects.filter(account_id=account.pk, day__lte=now.date()).select_related("metric")
    rows: dict[tuple[str, Any], int] = {}
    for day in days.order_by("-day", "metric__code")[: DAYS * 20]:
        key = (str(day.day), day.metric.code)
        rows[key] = rows.get(key, 0) + day.units
    newest = list(rows.items())[: DAYS * 4]
    return (
        Table(("Day (UTC)", "Metric", "Units"), [(*key, units) for key, units in newest]) if newest else None
    )


def refusals_before(account: Account, before: datetime, limit: int) -> Iterable[Event]:
    rows = RefusedCall.objects.filter(account_id=account.pk, occurred_at__lt=before)
    return (refused_event(row) for row in rows.order_by("-occurred_at")[:limit])


def refusals_of_request(request_id: str) -> Iterable[tuple[int | None, Event]]:
    rows = RefusedCall.objects.filter(request_id=request_id).exclude(request_id="").order_by("id")
    return ((row.account_id, refused_event(row, in_full=True)) for row in rows[:100])


def refused_event(row: RefusedCall, *, in_full: bool = False) -> Event:
    """Why in words; `in_full` with every limit, and what would be said now."""
    said = [_bound_words(bound) for bound in row.bounds if in_full or not bound["allows"]]
    if not row.bounds:
        said.append("no limit for this metric was in force")
    if row.credits_needed is not None:
        said.append(f"{row.credits_needed} credits needed, {row.credits_spendable} there")
    if row.unwritten:
        said.append(f"{row.unwritten} more of the account's refusals before it are in the log only")
    if in_full:
        found = refused_json(row)
        said.append("now it would pass" if found["would_pass_now"] else "it would be refused now, too")
        said += [
            f"the caller can: {one['action']} {one.get('plan', '')}".strip() for one in found["remedies"]
        ]
    return Event(
        at=row.occurred_at,
        kind="refusal",
        title=f"Refused: {row.units} {row.metric} ({row.refusal})",
        detail=" · ".join(said),
        by=f"key {row.credential_id}" if row.credential_id else "",
        request_id=row.request_id,
        tone="bad",
    )


def _bound_words(bound: dict[str, Any]) -> str:
    limit = "unlimited" if bound["limit"] is None else bound["limit"]
    held = f" and {bound['reserved']} reserved" if bound["reserved"] else ""
    resets = f", resets {bound['reset_at']}" if bound["reset_at"] else ""
    verdict = "had room" if bound["allows"] else "was full"
    return f"the {bound['window']}’s limit {verdict}: {bound['used']} used{held} of {limit} (from {bound['source']}{resets})"


def ledger_before(account: Account, before: datetime, limit: int) -> Iterable[Event]:
    rows = LedgerEntry.objects.filter(account=account, occurred_at__lt=before).select_related("metric")
    for row in rows.order_by("-id")[:limit]:
        moved = f"{row.overage_units} past the credits" if row.kind == "overage" else f"{row.units:+d}"
        metric = f" for {row.metric.code}" if row.metric else ""
        yield Event(
            at=row.occurred_at,
            kind="credits",
            title=f"Credits: {row.get_kind_display()} {moved}{metric}",
            detail=" · ".join(filter(None, (f"balance {row.balance_units}", row.reason))),
        )


class CreditsForm(ReasonForm):
    units = forms.IntegerField(
        label="Credits",
        min_value=-STAFF_MOST,
        max_value=STAFF_MOST,
        help_text="What is given; with a minus, what is taken from what expires soonest.",
    )
    expires_at = forms.DateTimeField(
        label="Expire at",
        required=False,
        help_text="For credits that are given; in your own time zone. Empty: never.",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )

    def clean_units(self) -> int:
        units: int = self.cleaned_data["units"]
        if units == 0:
            raise forms.ValidationError("Say how many.")
        return units


def adjust(errand: Errand) -> str:
    units = errand.values["units"]
    wallet_adjust(
        account_id=errand.account.pk,
        units=units,
        request_id=f"support:{errand.once}",
        reason=errand.reason,
        actor=errand.staff,
        expires_at=errand.values["expires_at"] if units > 0 else None,
        now=errand.now,
    )
    return f"{abs(units)} credits {'given' if units > 0 else 'taken'}."


assert STAFF_MOST <= MAX_UNITS

register(
    Panel("limits", "Limits now", "quotas.view_bucket", limits_panel, order=30),
    Panel("credits", "Credits", "quotas.view_grant", credits_panel, order=40),
    Panel("usage", "Use by day", "quotas.view_usageday", usage_panel, order=60),
    Source("refusal", "Refusals", "quotas.view_refusedcall", refusals_before, refusals_of_request),
    Source("credits", "Credits", "quotas.view_ledgerentry", ledger_before),
    Act(
        "credits",
        "Give or take credits",
        "accounts.adjust_credits",
        adjust,
        says="An entry is added to the account's ledger, which the customer sees with the reason. Nothing is overwritten.",
        form=CreditsForm,
    ),
)
