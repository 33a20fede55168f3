"""What an account is told about overage: that it began, that its cap is near or reached, that it could not be collected."""

from datetime import datetime

from accounts.enums import NotificationKind
from accounts.notifications import notify
from billing.gateways.values import InvoiceState
from billing.models import OverageCharge, OverageCollection, SpendCap
from billing.rules.reminders import cap_share


def overage_tell(charge: OverageCharge, *, spent: int, now: datetime) -> None:
    """After a charge, in its transaction: once for each period, and once for each cap and share of it.

    `spent`: what overage costs so far in the period, this charge included. A cap that was raised is another cap.
    """
    period = f"{charge.account_id}:{charge.period_start.isoformat()}"
    money = {"spent_minor": spent, "currency": charge.currency}
    notify(
        kind=NotificationKind.OVERAGE,
        template="overage_began",
        cause=f"overage:{period}",
        context=money,
        account=charge.account,
        now=now,
    )
    cap = SpendCap.objects.filter(account_id=charge.account_id).first()
    if cap is None:
        return
    # What is left may be less than the price of one unit: then the cap is as good as reached.
    all_but_a_unit = spent + charge.unit_minor > cap.cap_minor
    share = 100 if all_but_a_unit else cap_share(spent_minor=spent, cap_minor=cap.cap_minor)
    if share is not None:
        notify(
            kind=NotificationKind.OVERAGE,
            template="spend_cap_near",
            cause=f"spend_cap:{period}:{cap.cap_minor}:{share}",
            context=money | {"cap_minor": cap.cap_minor, "share": share},
            account=charge.account,
            now=now,
        )


def overage_unpaid_tell(collection: OverageCollection, invoice: InvoiceState, *, now: datetime) -> None:
    """That the card on file did not pay what was used past the credits; once for each such invoice."""
    notify(
        kind=NotificationKind.PAYMENT_FAILED,
        template="overage_unpaid",
        cause=f"overage_unpaid:{collection.pk}",
        context={
            "amount_minor": invoice.amount_remaining_minor,
            "currency": invoice.currency,
            "invoice": invoice.id,
        },
        account=collection.account,
        now=now,
    )
