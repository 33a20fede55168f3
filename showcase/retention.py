"""Orders that were refused are forgotten after a while: nothing was taken for them and nobody has their id for long."""

from datetime import datetime

from django.conf import settings
from django.db.models import Q

from common.retention import forgets
from showcase.enums import GenerationState
from showcase.models import Generation

AT_ONCE = 5_000
REFUSED = Q(state=GenerationState.FAILED, sent_at__isnull=True)
"""Ended before it was ever queued. What was queued and failed stays: it was paid, and paid back."""


@forgets("refused_generations")
def refused_generations_forget(*, now: datetime, dry_run: bool = False) -> int:
    """Forget the refused orders older than GENERATIONS_RETENTION, some at a time; how many."""
    old = Generation.objects.filter(REFUSED, requested_at__lt=now - settings.GENERATIONS_RETENTION)
    if dry_run:
        return old.count()
    total = 0
    while True:
        chosen = list(old.order_by("requested_at").values_list("pk", flat=True)[:AT_ONCE])
        total += Generation.objects.filter(REFUSED, pk__in=chosen).delete()[0]
        if len(chosen) < AT_ONCE:
            return total
