"""The words of metering."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class MetricKind(models.TextChoices):
    COUNTER = "counter", _("Counted per window")
    CAPACITY = "capacity", _("Things that exist")


class Window(models.TextChoices):
    """Half-open, UTC. `period` is anchored to the subscription or contract; `capacity` never resets."""

    HOUR = "hour", _("hour")
    DAY = "day", _("day")
    MONTH = "month", _("month")
    PERIOD = "period", _("billing period")
    CAPACITY = "capacity", _("in total")


class Mode(models.TextChoices):
    """What happens past the limit. `credits`: credits pay, and past them what the caller vouches for."""

    BLOCK = "block", _("refused")
    OVERAGE = "overage", _("charged")
    CREDITS = "credits", _("paid with credits")


class Source(models.TextChoices):
    """Where a limit comes from; the later in this list, the stronger."""

    DEFAULT = "default", _("default")
    PLAN = "plan", _("plan")
    CONTRACT = "contract", _("contract")
    OVERRIDE = "override", _("support")


RANKS = {Source.DEFAULT: 0, Source.PLAN: 10, Source.CONTRACT: 20, Source.OVERRIDE: 30}
"""Kept with each limit, so that SQL can order by it."""


class ReservationStatus(models.TextChoices):
    OPEN = "open", _("open")
    SETTLED = "settled", _("settled")
    RELEASED = "released", _("released")
    EXPIRED = "expired", _("expired")


class RecordKind(models.TextChoices):
    CONSUME = "consume", _("consumed")
    SETTLE = "settle", _("settled")
    GIVE_BACK = "give_back", _("given back")
    REVERSE = "reverse", _("reversed")


class GrantSource(models.TextChoices):
    """What credits were given for."""

    PLAN = "plan", _("plan")
    UPGRADE = "upgrade", _("upgrade")
    PURCHASE = "purchase", _("purchase")
    PROMOTION = "promotion", _("promotion")
    SUPPORT = "support", _("support")


class EntryKind(models.TextChoices):
    """What moved credits, or was used past them."""

    GRANT = "grant", _("granted")
    USE = "use", _("used")
    OVERAGE = "overage", _("used past the credits")
    REVERSAL = "reversal", _("taken back")
    EXPIRY = "expiry", _("expired")
    ADJUSTMENT = "adjustment", _("corrected")
