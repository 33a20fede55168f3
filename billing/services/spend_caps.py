"""The most that an account lets overage cost in a period."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Account
from billing.errors import NoLiveSubscription
from billing.locks import lock_account
from billing.models import SpendCap
from billing.selectors import live_subscription
from common import audit
from common.errors import ValidationError

MAX_CAP = 99_999_999


@transaction.atomic
def spend_cap_set(*, account: Account, actor: Any, cap_minor: int | None, now: datetime) -> SpendCap | None:
    """From now on overage of a period costs at most `cap_minor`; None: as much as is used. What was charged stays.

    The currency is that of the plan the account is on.
    """
    if cap_minor is not None and not 0 <= cap_minor <= MAX_CAP:
        raise ValidationError.of("cap", "out_of_range", _("An amount from 0 on, please."))
    lock_account(account.pk)
    subscription = live_subscription(account.pk)
    if subscription is None:
        raise NoLiveSubscription
    before = SpendCap.objects.filter(account=account).first()
    if cap_minor is None:
        SpendCap.objects.filter(account=account).delete()
        cap = None
    else:
        values = {"cap_minor": cap_minor, "currency": subscription.price.currency, "updated_at": now}
        cap, _made = SpendCap.objects.update_or_create(account=account, defaults=values)
    audit.record(
        actor=actor,
        account_id=account.pk,
        action="spend_cap.set",
        subject=str(account.public_id),
        data={"from_minor": before.cap_minor if before else None, "to_minor": cap_minor},
        now=now,
    )
    return cap
