"""What the sample product does when something happens below it."""

from datetime import datetime
from typing import Any

from django.dispatch import receiver

from billing.models import OverageCharge
from billing.signals import overage_charge_resolved
from showcase import generations


@receiver(overage_charge_resolved, dispatch_uid="showcase.generations")
def charge_resolved(sender: Any, *, charge: OverageCharge, now: datetime, **_: Any) -> None:  # noqa: ARG001
    """A generation that waited for this charge goes on, or is given up."""
    generations.charge_resolved(charge=charge, now=now)
