"""More examples for the components' page: money, what is overdue, news, use by filters."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from accounts.inbox import InboxItem
from accounts.notifications import Action, Message
from billing.models import UnpaidInvoice
from billing.pages.attempts import AttemptRow
from billing.pages.invoices import InvoiceRow
from billing.pages.usage.filters import Filters, presets_of
from billing.pages.usage.keys import Key
from billing.selectors.overdue import OverdueNotice
from quotas.reports import Granularity

NOBODY = UUID(int=0)


def money(minor: int) -> dict[str, Any]:
    return {"amount_minor": minor, "currency": "eur"}


def invoices(now: datetime) -> list[InvoiceRow]:
    states = (
        ("open", "near", True),
        ("paid", "ok", False),
        ("void", "", False),
        ("uncollectible", "bad", False),
    )
    return [
        InvoiceRow(
            id=f"in_{number}",
            number=f"PAL-000{number}",
            status_text=text,
            tone=tone,
            total=money(2000),
            credited=money(500) if number == 1 else None,
            at=now - timedelta(days=30 * number),
            has_pdf=not can_pay,
            can_pay=can_pay,
        )
        for number, (text, tone, can_pay) in enumerate(states)
    ]


def attempts(now: datetime) -> list[AttemptRow]:
    return [
        AttemptRow(now, money(2000), None, "Visa 4242", "waiting for confirmation", "near", "", "req-3"),
        AttemptRow(now, money(2000), None, "Visa 0341", "refused", "bad", "The bank refused it.", "req-2"),
        AttemptRow(now, money(2000), money(500), "Visa 4242", "paid", "ok", "", "req-1"),
    ]


def overdue(now: datetime) -> list[OverdueNotice]:
    """While access is full, and after."""
    invoice = UnpaidInvoice(stripe_invoice_id="in_0", number="PAL-0000", amount_minor=2000, currency="eur")
    grace = OverdueNotice(
        state="grace",
        plan_name="Premium",
        invoices=(invoice,),
        amount_minor=2000,
        currency="eur",
        since=now - timedelta(days=2),
        next_attempt_at=now + timedelta(days=1),
        full_until=now + timedelta(days=5),
        ends_at=now + timedelta(days=30),
    )
    return [grace, replace(grace, state="degraded", next_attempt_at=None, full_until=None)]


def news(now: datetime) -> InboxItem:
    message = Message("Exports", ["Your personas can be exported now."], action=Action("Have a look", "#"))
    return InboxItem(NOBODY, "news", message, now, None)


def usage_refused(today: date) -> dict[str, Any]:
    """Asked for what cannot be shown; what can be is on the page of use."""
    filters = Filters(
        "messages",
        Granularity.DAY,
        today - timedelta(days=29),
        today,
        given={"from": "2026-05-02", "to": "2026-05-01"},
        errors={"to": ["The last day is before the first."], "granularity": ["There is no such choice."]},
    )
    return {
        "filters": filters,
        "presets": presets_of(filters, today=today),
        "metrics": {"messages": "Messages", "exports": "Exports"},
        "granularities": [(one.value, f"by {one.value}") for one in Granularity],
        "keys": [Key(1, NOBODY, "Till"), Key(2, UUID(int=1), "Shop")],
    }


def context(now: datetime) -> dict[str, Any]:
    """What the page needs besides."""
    return {
        "invoices": invoices(now),
        "attempts": attempts(now),
        "overdue": overdue(now),
        "news_item": news(now),
        **usage_refused(now.date()),
    }
