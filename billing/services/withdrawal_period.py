"""Until when a consumer may withdraw. Who asked in time and was not heard, because Stripe did not answer, does not lose the
right by that: what they asked stands in the trail, and they may ask again for some days.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from billing.errors import PaymentProviderUnavailable
from billing.models import Subscription
from billing.rules.withdrawal import deadline
from common import audit
from common.formats import date_text
from common.models import AuditEntry

UNHEARD = "withdrawal.unheard"
HEARD_AGAIN_WITHIN = timedelta(days=3)


def withdrawal_end(subscription: Subscription, *, now: datetime) -> datetime:
    """The instant from which it is too late."""
    end = deadline(subscription.started_at)
    if now < end:
        return end
    asked = (
        AuditEntry.objects.filter(
            account_id=subscription.account_id, action=UNHEARD, subject=str(subscription.pk), at__lt=end
        )
        .order_by("-at")
        .first()
    )
    return max(end, asked.at + HEARD_AGAIN_WITHIN) if asked is not None else end


def withdrawal_unheard(
    subscription: Subscription, *, user: User | None, now: datetime
) -> PaymentProviderUnavailable:
    """Writes down that it was asked for, and says what to do: without Stripe the sum to give back is not known."""
    with transaction.atomic():
        audit.record(
            actor=user,
            account_id=subscription.account_id,
            action=UNHEARD,
            subject=str(subscription.pk),
            reason="payment_provider_unavailable",
            now=now,
        )
    last = withdrawal_end(subscription, now=max(now, deadline(subscription.started_at))) - timedelta(
        seconds=1
    )
    return PaymentProviderUnavailable(
        _(
            "The payment service does not answer, so you have not withdrawn yet and nothing was changed. That you asked is on record. Confirm again in a minute; you can until %(date)s."
        )
        % {"date": date_text(last)},
        details={"status": "not_declared"},
    )
