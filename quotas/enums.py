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
    """What happens past the limit."""

    BLOCK = "block", _("refused")
    OVERAGE = "overage", _("charged")


class Source(models.TextChoices):
    """Where a limit comes from; the later in this list, the stronger."""

    DEFAULT = "default", _("default")
    PLAN = "plan", _("plan")
    CONTRACT = "contract", _("contract")
    OVERRIDE = "override", _("support")


class ReservationStatus(models.TextChoices):
    OPEN = "open", _("open")
    SETTLED = "settled", _("settled")
    RELEASED = "released", _("released")
    EXPIRED = "expired", _("expired")


class RecordKind(models.TextChoices):
    CONSUME = "consume", _("consumed")
    SETTLE = "settle", _("settled")
    GIVE_BACK = "give_back", _("given back")
