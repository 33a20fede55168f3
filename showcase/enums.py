"""The words of the sample product."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class GenerationState(models.TextChoices):
    """How far a generation has come. DONE, FAILED and REVERSED are ends; out of the others the sweep leads."""

    NEW = "new", _("being paid")  # the row is there; what it takes is not known to be taken
    WAITING = (
        "waiting",
        _("waiting for the charge"),
    )  # the payment service has not said what came of the charge
    PAID = "paid", _("being queued")
    READY = "ready", _("to be queued")  # paid later than its caller was answered
    SENT = "sent", _("queued")
    RUNNING = "running", _("running")
    DONE = "done", _("done")
    FAILING = "failing", _("failed, being taken back")
    FAILED = "failed", _("failed")
    REVERSING = "reversing", _("being taken back")
    REVERSED = "reversed", _("taken back")


class GenerationStatus(models.TextChoices):
    """What a caller is told of it."""

    QUEUED = "queued", _("queued")
    RUNNING = "running", _("running")
    DONE = "done", _("done")
    FAILED = "failed", _("failed")
    REVERSED = "reversed", _("taken back")


STATUS_OF = {
    GenerationState.NEW: GenerationStatus.QUEUED,
    GenerationState.WAITING: GenerationStatus.QUEUED,
    GenerationState.PAID: GenerationStatus.QUEUED,
    GenerationState.READY: GenerationStatus.QUEUED,
    GenerationState.SENT: GenerationStatus.QUEUED,
    GenerationState.RUNNING: GenerationStatus.RUNNING,
    GenerationState.DONE: GenerationStatus.DONE,
    GenerationState.FAILING: GenerationStatus.FAILED,
    GenerationState.FAILED: GenerationStatus.FAILED,
    GenerationState.REVERSING: GenerationStatus.REVERSED,
    GenerationState.REVERSED: GenerationStatus.REVERSED,
}
OPEN_STATES = frozenset(GenerationState) - {
    GenerationState.DONE,
    GenerationState.FAILED,
    GenerationState.REVERSED,
}
