"""Billing's part of an account's story: the subscription, what was charged, changed, given back."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import F, QuerySet
from djstripe.models import Invoice

from accounts.admin.story import Event, Link, Panel, Source, Table, register
from accounts.models import Account
from billing.models import Dispute, OverageCharge, PaymentAttempt, PlanChange, Refund, SpendCap, Withdrawal
from billing.selectors import live_subscription, scheduled_change
from billing.selectors.overdue import access_at, overdue_steps, unpaid_invoices
from common.formats import money_text

DASHBOARD = "https://dashboard.stripe.com"
NEWEST = 12
DISPUTE_OPEN = ("needs_response", "under_review", "warning_needs_response", "warning_under_review")
SCALE = {"failed": "bad", "requires_action": "warn", "pending": "warn"}


def stripe_link(kind: str, stripe_id: str | None) -> Any:
    """To the object in Stripe's dashboard; the bare id in the sandbox, whose objects are not there."""
    if not stripe_id:
        return "—"
    if settings.SANDBOX:
        return stripe_id
    return Link(stripe_id, f"{DASHBOARD}{'' if settings.STRIPE_LIVE_MODE else '/test'}/{kind}/{stripe_id}")


def subscription_panel(account: Account, now: datetime) -> Table:
    live = live_subscription(account.pk)
    rows: list[tuple[Any, Any]] = []
    if live is None:
        rows.append(("Plan", "no subscription"))
    else:
        rows += [
            ("Plan", f"{live.plan.name}, {live.price.interval}ly, version {live.plan_version.number}"),
            ("Price", money_text(live.price.amount_minor, live.price.currency)),
            ("Status", live.status),
            ("Access now", access_at(live, now=now).value),
            ("Since", live.started_at),
            (
                "Period",
                f"{live.current_period_start:%Y-%m-%d} – {live.current_period_end:%Y-%m-%d}"
                if live.current_period_end
                else "none",
            ),
            ("Trial until", live.trial_end),
            ("Ends at", live.cancel_at),
            ("Read from Stripe", live.stripe_read_at),
        ]
        rows += [
            (f"If nothing is paid by {step.at:%Y-%m-%d %H:%M}", step.rule.access.value)
            for step in overdue_steps(live, now=now)
            if step.at > now
        ]
    waiting = scheduled_change(account.pk)
    if waiting is not None:
        to = waiting.to_price.version.plan.name if waiting.to_price else "no plan"
        rows.append(("Scheduled", f"{to} from {waiting.effective_at:%Y-%m-%d %H:%M}"))
    cap = SpendCap.objects.filter(account=account).first()
    if cap is not None:
        rows.append(("Spend cap of a period", money_text(cap.cap_minor, cap.currency)))
    rows += [
        ("Stripe subscription", stripe_link("subscriptions", live.stripe_subscription_id if live else None)),
        ("Stripe customer", stripe_link("customers", account.stripe_customer_id)),
    ]
    return Table((), [(name, value) for name, value in rows if value not in (None, "")])


def invoices_panel(account: Account, now: datetime) -> Table | None:  # noqa: ARG001 - one signature for all
    """From the copy that Stripe's events keep, so that the page does not wait for Stripe."""
    rows = []
    for one in _invoices(account)[:NEWEST]:
        data = one.stripe_data
        amounts = [money_text(data[name], data["currency"].upper()) for name in ("total", "amount_remaining")]
        rows.append(
            (
                data.get("number") or "draft",
                one.created,
                data["status"],
                *amounts,
                stripe_link("invoices", one.id),
            )
        )
    live = live_subscription(account.pk)
    owed = {one.stripe_invoice_id: one for one in unpaid_invoices(live)} if live else {}
    rows = [(*row, _next_try(owed, row)) for row in rows]
    return (
        Table(("Invoice", "Made", "Status", "Total", "Open", "At Stripe", "Next attempt"), rows)
        if rows
        else None
    )


def _invoices(account: Account) -> QuerySet[Invoice]:
    if not account.stripe_customer_id:
        return Invoice.objects.none()
    mine = Invoice.objects.filter(customer_id=account.stripe_customer_id)
    return mine.order_by(F("created").desc(nulls_last=True), "-djstripe_id")


def _next_try(owed: dict[str, Any], row: tuple[Any, ...]) -> Any:
    link = row[-1]
    unpaid = owed.get(link.text if isinstance(link, Link) else link)
    return (unpaid.next_attempt_at or "none") if unpaid else ""


def changes_before(account: Account, before: datetime, limit: int) -> Iterable[Event]:
    rows = _changes().filter(account=account, requested_at__lt=before).order_by("-requested_at")[:limit]
    return (_change(row) for row in rows)


def changes_of_request(request_id: str) -> Iterable[tuple[int | None, Event]]:
    rows = _changes().filter(request_id=request_id).exclude(request_id="").order_by("requested_at")
    return ((row.account_id, _change(row)) for row in rows[:100])


def _changes() -> QuerySet[PlanChange]:
    return PlanChange.objects.select_related("from_price__version__plan", "to_price__version__plan")


def _change(row: PlanChange) -> Event:
    names = [price.version.plan.name if price else "nothing" for price in (row.from_price, row.to_price)]
    charged = row.charged_minor if row.charged_minor is not None else row.due_minor
    parts = [
        f"charged {money_text(charged, row.currency)}" if charged is not None and row.currency else "",
        f"from {row.effective_at:%Y-%m-%d %H:%M}" if row.effective_at else "",
        f"{row.error_code} {_reason(row.error_details)}".strip(),
        row.stripe_invoice_id,
        f"“{row.reason}”" if row.reason else "",
    ]
    return Event(
        at=row.requested_at,
        kind="change",
        title=f"Plan change {row.kind} {names[0]} → {names[1]}: {row.status}",
        detail=" · ".join(part for part in parts if part),
        by=f"person {row.user_id}" if row.user_id else "system",
        request_id=row.request_id,
        tone={"failed": "bad", "pending": "warn", "applied": "good"}.get(row.status, ""),
    )


def _reason(details: dict[str, Any]) -> str:
    return str(details.get("decline_code") or details.get("reason") or "")


def payments_before(account: Account, before: datetime, limit: int) -> Iterable[Event]:
    rows = PaymentAttempt.objects.filter(account=account, attempted_at__lt=before)
    return (_payment(row) for row in rows.order_by("-attempted_at")[:limit])


def payments_of_request(request_id: str) -> Iterable[tuple[int | None, Event]]:
    rows = (
        PaymentAttempt.objects.filter(request_id=request_id).exclude(request_id="").order_by("attempted_at")
    )
    return ((row.account_id, _payment(row)) for row in rows[:100])


def _payment(row: PaymentAttempt) -> Event:
    card = f"{row.card_brand} …{row.card_last4}" if row.card_last4 else ""
    back = f"{money_text(row.refunded_minor, row.currency)} given back" if row.refunded_minor else ""
    parts = (card, row.reason_code, back, row.stripe_id, row.stripe_invoice_id)
    return Event(
        at=row.attempted_at,
        kind="payment",
        title=f"Payment of {money_text(row.amount_minor, row.currency)}: {row.get_outcome_display()}",
        detail=" · ".join(part for part in parts if part),
        request_id=row.request_id,
        tone=SCALE.get(row.outcome, "good"),
    )


def returns_before(account: Account, before: datetime, limit: int) -> Iterable[Event]:
    for row in Refund.objects.filter(account=account, requested_at__lt=before).order_by("-requested_at")[
        :limit
    ]:
        yield Event(
            at=row.requested_at,
            kind="refund",
            title=f"Refund of {money_text(row.amount_minor, row.currency)}: {row.get_status_display()}",
            detail=" · ".join(filter(None, (row.reason, row.error_code, row.stripe_invoice_id))),
            by=f"person {row.user_id}" if row.user_id else "",
            request_id=row.request_id,
            tone="bad" if row.status == "failed" else "",
        )
    for one in Withdrawal.objects.filter(account=account, requested_at__lt=before).order_by("-requested_at")[
        :limit
    ]:
        yield Event(
            at=one.requested_at,
            kind="refund",
            title=f"Withdrawal from the contract: {money_text(one.refund_minor, one.currency)} back",
            detail="carried out" if one.completed_at else "under way",
            request_id=one.request_id,
        )


def disputes_before(account: Account, before: datetime, limit: int) -> Iterable[Event]:
    rows = Dispute.objects.filter(account=account, opened_at__lt=before).order_by("-opened_at")[:limit]
    return (_dispute(row) for row in rows)


def _dispute(row: Dispute) -> Event:
    is_open = row.status in DISPUTE_OPEN
    by = f"answer by {row.answer_by:%Y-%m-%d %H:%M}" if is_open and row.answer_by else ""
    parts = (row.reason, by, row.stripe_id, row.stripe_charge_id, row.stripe_invoice_id)
    return Event(
        at=row.opened_at,
        kind="dispute",
        title=f"Payment of {money_text(row.amount_minor, row.currency)} disputed: {row.status}",
        detail=" · ".join(part for part in parts if part),
        tone="good" if row.status == "won" else "warn" if is_open else "bad",
    )


def charges_before(account: Account, before: datetime, limit: int) -> Iterable[Event]:
    rows = OverageCharge.objects.filter(account=account, requested_at__lt=before)
    for row in rows.order_by("-requested_at")[:limit]:
        yield Event(
            at=row.requested_at,
            kind="charge",
            title=f"Overage of {row.units} {row.metric}: {money_text(row.amount_minor, row.currency)}, {row.status}",
            detail=" · ".join(
                filter(None, (row.work_ref, row.error_code, row.reversal_reason, row.stripe_invoice_id))
            ),
            request_id=row.request_id,
            tone="bad" if row.error_code else "",
        )


register(
    Panel("subscription", "Subscription", "billing.view_subscription", subscription_panel, order=10),
    Panel("invoices", "Invoices", "billing.view_paymentattempt", invoices_panel, order=50),
    Source("change", "Plan changes", "billing.view_planchange", changes_before, changes_of_request),
    Source("payment", "Payments", "billing.view_paymentattempt", payments_before, payments_of_request),
    Source("refund", "Money back", "billing.view_refund", returns_before),
    Source("dispute", "Disputes", "billing.view_dispute", disputes_before),
    Source("charge", "Overage", "billing.view_overagecharge", charges_before),
)
