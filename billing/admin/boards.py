"""What billing tells staff of the whole installation: money, subscriptions, who owes, what hangs, deliveries, drift."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, Q, QuerySet, Sum
from django.db.models.functions import TruncMonth
from django.urls import reverse

from accounts.admin.boards import Board, register
from accounts.admin.story import Link, Table
from billing.enums import AttemptOutcome, ChangeStatus, ChargeStatus, PaymentStatus, RefundStatus
from billing.models import (
    Drift,
    InvoicePayment,
    OverageCharge,
    PaymentAttempt,
    PlanChange,
    Refund,
    Subscription,
    UnpaidInvoice,
    Withdrawal,
)
from billing.services.deliveries import APPLY
from common.formats import money_text
from common.models import OutboxMessage

MONTHS = 6
TOP = 20
DAY = timedelta(days=1)


def _account(account_id: int) -> Link:
    return Link(str(account_id), reverse("admin:accounts_account_change", args=[account_id]))


def revenue(now: datetime) -> Table:
    """What was collected less what went back, by the day and month it was collected in (UTC)."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    paid = PaymentAttempt.objects.filter(outcome=AttemptOutcome.SUCCEEDED)
    rows = [("today", *one) for one in _collected(paid.filter(attempted_at__gte=today))]
    since = (today.replace(day=1) - timedelta(days=31 * (MONTHS - 1))).replace(day=1)
    by_month = (
        paid.filter(attempted_at__gte=since)
        .annotate(month=TruncMonth("attempted_at"))
        .values("month", "currency")
        .annotate(collected=Sum("amount_minor"), back=Sum("refunded_minor"), count=Count("pk"))
        .order_by("-month", "currency")
    )
    rows += [
        (
            f"{row['month']:%Y-%m}",
            money_text(row["collected"] - row["back"], row["currency"]),
            money_text(row["back"], row["currency"]),
            row["count"],
        )
        for row in by_month
    ]
    return Table(("When", "Collected less refunds", "Refunded", "Payments"), rows)


def _collected(paid: QuerySet[PaymentAttempt]) -> list[tuple[Any, ...]]:
    rows = paid.values("currency").annotate(
        collected=Sum("amount_minor"), back=Sum("refunded_minor"), count=Count("pk")
    )
    return [
        (
            money_text(row["collected"] - row["back"], row["currency"]),
            money_text(row["back"], row["currency"]),
            row["count"],
        )
        for row in rows.order_by("currency")
    ]


def failures(now: datetime) -> Table:
    """Payments refused in the last day, by Stripe's reason."""
    refused = PaymentAttempt.objects.filter(outcome=AttemptOutcome.FAILED, attempted_at__gte=now - DAY)
    rows = refused.values("reason_code", "currency").annotate(
        count=Count("pk"), amount=Sum("amount_minor"), accounts=Count("account", distinct=True)
    )
    return Table(
        ("Reason", "Payments", "Accounts", "Amount"),
        [
            (row["reason_code"], row["count"], row["accounts"], money_text(row["amount"], row["currency"]))
            for row in rows.order_by("-count", "reason_code")[:TOP]
        ],
    )


def subscriptions(now: datetime) -> Table:  # noqa: ARG001 - one signature for all
    rows = (
        Subscription.objects.filter(ended_at__isnull=True)
        .values("plan_version__plan__code", "status", "access")
        .annotate(count=Count("pk"))
        .order_by("plan_version__plan__code", "status", "access")
    )
    return Table(("Plan", "Status", "Access", "Accounts"), [tuple(row.values()) for row in rows])


def overdue(now: datetime) -> Table:
    rows = UnpaidInvoice.objects.select_related("subscription").order_by("owed_since")[:TOP]
    return Table(
        ("Account", "Owed since", "Days", "Amount", "Tries", "Next try"),
        [
            (
                _account(one.subscription.account_id),
                one.owed_since,
                (now - one.owed_since).days,
                money_text(one.amount_minor, one.currency),
                one.attempts,
                one.next_attempt_at or "none",
            )
            for one in rows
        ],
    )


def intents(now: datetime) -> Table:  # noqa: ARG001 - one signature for all
    """What was begun at Stripe and has no outcome yet; the sweeps ask Stripe every 20 seconds."""
    kinds: list[tuple[str, Any, Q, str]] = [
        ("plan change", PlanChange, Q(status=ChangeStatus.PENDING, awaiting_since__isnull=True), "requested_at"),
        ("plan change that waits for its payer", PlanChange, Q(status=ChangeStatus.PENDING, awaiting_since__isnull=False), "requested_at"),
        ("undo of a plan change", PlanChange, Q(status=ChangeStatus.SCHEDULED, undo_requested_at__isnull=False), "undo_requested_at"),
        ("payment of an invoice", InvoicePayment, Q(status=PaymentStatus.PENDING), "requested_at"),
        ("refund", Refund, Q(status=RefundStatus.PENDING), "requested_at"),
        ("withdrawal", Withdrawal, Q(completed_at__isnull=True), "requested_at"),
        ("charge past the credits", OverageCharge, Q(status=ChargeStatus.PENDING), "requested_at"),
        ("charge to be recorded", OverageCharge, Q(status=ChargeStatus.ACCEPTED, record_id__isnull=True), "requested_at"),
        ("charge to be taken back", OverageCharge, Q(reversal_requested_at__isnull=False, reversed_at__isnull=True), "reversal_requested_at"),
    ]  # fmt: skip
    rows = []
    for name, model, condition, since in kinds:
        found = model.objects.filter(condition).aggregate(count=Count("pk"), oldest=Min(since))
        if found["count"]:
            rows.append((name, found["count"], found["oldest"]))
    return Table(("What", "Open", "Oldest"), rows)


def deliveries(now: datetime) -> Table:
    """Events from Stripe: what came in a day, how long applying them took and takes, what failed."""
    of_stripe = OutboxMessage.objects.filter(task=APPLY)
    done = of_stripe.filter(done_at__gte=now - DAY)
    waiting = of_stripe.filter(done_at__isnull=True, parked_at__isnull=True)
    parked = of_stripe.filter(parked_at__isnull=False)
    oldest = waiting.aggregate(first=Min("created_at"))["first"]
    slowest = max(
        (one.done_at - one.created_at for one in done.order_by("-done_at")[:500] if one.done_at), default=None
    )
    late = int((now - oldest).total_seconds()) if oldest else 0
    return Table(
        (),
        [
            ("Applied in 24 hours", done.count()),
            ("Waiting", waiting.count()),
            ("The oldest has waited, seconds", late),
            ("Failed and tried again", waiting.filter(attempts__gt=0, last_error__gt="").count()),
            ("Failed for good (replay_events --failed)", parked.count()),
            ("Slowest of the last 500, seconds", int(slowest.total_seconds()) if slowest else "none"),
        ],
    )


def drift(now: datetime) -> Table:
    rows = Drift.objects.order_by("kind")
    return Table(
        ("What differs from Stripe", "Unmended", "Looked at", "Hours ago"),
        [
            (one.kind, one.count, one.checked_at, int((now - one.checked_at).total_seconds() // 3600))
            for one in rows
            if one.count
        ],
    )


SUBSCRIPTIONS, PAYMENTS = "billing.view_subscription", "billing.view_paymentattempt"

register(
    Board("revenue", "Revenue", PAYMENTS, revenue, empty="Nothing was collected.", order=12),
    Board(
        "failures",
        "Payments refused in 24 hours",
        PAYMENTS,
        failures,
        empty="No payment was refused.",
        order=22,
    ),
    Board(
        "overdue", "Overdue accounts", "billing.view_unpaidinvoice", overdue, empty="Nobody owes.", order=24
    ),
    Board(
        "deliveries", "Deliveries from Stripe", "common.view_outboxmessage", deliveries, empty="", order=26
    ),
    Board(
        "intents",
        "Open at Stripe",
        "billing.view_planchange",
        intents,
        empty="Nothing has an open outcome.",
        order=28,
    ),
    Board(
        "drift",
        "Differences from Stripe",
        "billing.view_drift",
        drift,
        empty="The last comparison left no difference.",
        order=29,
        alarm=True,
    ),
    Board(
        "subscriptions", "Subscriptions", SUBSCRIPTIONS, subscriptions, empty="There are none yet.", order=50
    ),
)
