"""What billing does when something happens below it."""

from datetime import datetime
from typing import Any

from django.dispatch import receiver

from accounts.models import Account
from accounts.signals import account_created
from billing.services import account_welcome


@receiver(account_created, dispatch_uid="billing.welcome")
def welcome(sender: Any, *, account: Account, now: datetime, **_: Any) -> None:  # noqa: ARG001
    """In the same transaction, so that nobody exists without a plan."""
    account_welcome(account=account, now=now)
