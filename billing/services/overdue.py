"""What is owed on a subscription, kept as Stripe shows it, and what follows from it as days pass."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from accounts.enums import NotificationKind
from accounts.notifications import notify
from billing.enums import Access
from billing.gateways.values import InvoiceState, SubscriptionState
from billing.models import Subscription, UnpaidInvoice
from billing.rules.overdue import OWING, access_by, debt_of
from billing.selectors.overdue import overdue_notice, overdue_policy, overdue_rule


@dataclass(frozen=True, slots=True)
class Due:
    """An unpaid invoice in the terms of our row."""

    stripe_invoice_id: str
    number: str
    amount_minor: int
    currency: str
    attempts: int
    next_attempt_at: datetime | None
    owed_since: datetime


def dues_known(subscription: Subscription) -> list[Due]:
    """What our rows say is owed, in the order of ids."""
    rows = UnpaidInvoice.objects.filter(subscription_id=subscription.pk).order_by("stripe_invoice_id")
    return [Due(**{name: getattr(row, name) for name in Due.__slots__}) for row in rows]


def dues_shown(
    subscription: Subscription, state: SubscriptionState, unpaid: Sequence[InvoiceState] | None
) -> list[Due]:
    """What Stripe shows to be owed. Where only the subscription was read, its latest invoice is what may be new."""
    if state.status not in OWING:
        return []
    if unpaid is not None:
        return _sorted(_due(one) for one in unpaid if _is_due(one))
    latest = state.latest_invoice
    known = [one for one in dues_known(subscription) if latest is None or one.stripe_invoice_id != latest.id]
    return _sorted([*known, _due(latest)] if latest is not None and _is_due(latest) else known)


def _sorted(dues: Iterable[Due]) -> list[Due]:
    return sorted(dues, key=lambda one: one.stripe_invoice_id)


def _is_due(invoice: InvoiceState) -> bool:
    """Open, for money, and tried at least once or sent to be paid."""
    asked = invoice.attempts > 0 or invoice.due_at is not None
    return invoice.status == "open" and invoice.amount_remaining_minor > 0 and asked


def _due(invoice: InvoiceState) -> Due:
    """Payment is tried for the first time when the invoice is issued; one that is sent is due at its date."""
    return Due(
        stripe_invoice_id=invoice.id,
        number=invoice.number or "",
        amount_minor=invoice.amount_remaining_minor,
        currency=invoice.currency,
        attempts=invoice.attempts,
        next_attempt_at=invoice.next_attempt_at,
        owed_since=invoice.due_at or invoice.issued_at or invoice.created_at,
    )


def dues_write(subscription: Subscription, dues: Sequence[Due]) -> None:
    """Makes the rows what `dues` says. In the transaction that writes the subscription, with its account locked."""
    rows = UnpaidInvoice.objects.filter(subscription=subscription)
    rows.exclude(stripe_invoice_id__in=[one.stripe_invoice_id for one in dues]).delete()
    for due in dues:
        values = asdict(due)
        UnpaidInvoice.objects.update_or_create(
            stripe_invoice_id=values.pop("stripe_invoice_id"),
            defaults={**values, "subscription": subscription},
        )


def access_granted(status: str, dues: Sequence[Due], moment: datetime) -> Access:
    """What may be used at `moment` with that status and those debts."""
    debt = debt_of([(one.owed_since, one.attempts) for one in dues])
    return access_by(overdue_policy(), status=status, debt=debt, now=moment)


def overdue_tell(subscription: Subscription, moment: datetime) -> None:
    """Tells the payer what the rule that holds now means; for each debt and state once, ever."""
    rule = overdue_rule(subscription, now=moment)
    notice = overdue_notice(subscription, now=moment)
    if rule is None or notice is None or not rule.reminder:
        return
    plan = subscription.plan
    notify(
        kind=NotificationKind(rule.reminder),
        template="payment_overdue",
        cause=f"overdue:{subscription.pk}:{notice.since.isoformat()}:{rule.state}",
        context={
            "plan": {"en": plan.name_en, "fr": plan.name_fr},
            **notice.amount,
            "since": notice.since.isoformat(),
            "next_attempt_at": _told(notice.next_attempt_at),
            "full_until": _told(notice.full_until),
            "confirm": notice.invoices[0].stripe_invoice_id if notice.wants_confirmation else "",
        },
        account=subscription.account,
        now=moment,
    )


def _told(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
