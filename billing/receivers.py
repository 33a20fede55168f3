"""What billing does when something happens below it."""

from datetime import datetime
from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.signals import email_changed
from django.dispatch import receiver

from accounts.models import Account, User
from accounts.signals import account_created
from billing.services import account_welcome, billing_email_follow
from common import clock


@receiver(account_created, dispatch_uid="billing.welcome")
def welcome(sender: Any, *, account: Account, now: datetime, **_: Any) -> None:  # noqa: ARG001
    """In the same transaction, so that nobody exists without a plan."""
    account_welcome(account=account, now=now)


@receiver(email_changed, dispatch_uid="billing.email")
def follow(
    sender: Any,  # noqa: ARG001
    *,
    user: User,
    from_email_address: EmailAddress | None,
    to_email_address: EmailAddress,
    **_: Any,
) -> None:
    """Another main address is on: invoices go there too, if they went to the one before."""
    if from_email_address is not None:
        billing_email_follow(
            user=user, old=from_email_address.email, new=to_email_address.email, now=clock.now()
        )
