"""Deliveries from Stripe that were kept: applied once more by hand, and forgotten when they are old."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Q
from djstripe.models import WebhookEventTrigger

from common import outbox
from common.models import OutboxMessage

APPLY = "billing.tasks.stripe_event_apply"
KEY = "stripe_event:"


def deliveries_find(
    *,
    ids: Sequence[str] = (),
    since: datetime | None = None,
    types: Sequence[str] = (),
    failed: bool = False,
) -> Iterator[tuple[str, str, int]]:
    """The event's id, its type and its promise's id of every kept delivery that fits all that is asked; oldest first.

    `types`: the kinds or their beginnings, as `invoice.`. `failed`: those not applied after at least one try.
    """
    promises = OutboxMessage.objects.filter(task=APPLY, dedupe_key__startswith=KEY)
    if ids:
        promises = promises.filter(dedupe_key__in=[f"{KEY}{one[:150]}" for one in ids])
    if since is not None:
        promises = promises.filter(created_at__gte=since)
    if failed:
        promises = promises.filter(Q(done_at=None) & (Q(attempts__gt=0) | Q(parked_at__isnull=False)))
    for promise in promises.order_by("created_at", "pk").iterator():
        trigger = WebhookEventTrigger.objects.filter(pk=promise.payload["trigger_id"]).first()
        if trigger is None:
            continue  # pruned: there is nothing left to apply
        event = trigger.json_body
        if not types or str(event.get("type", "")).startswith(tuple(types)):
            yield str(event.get("id")), str(event.get("type")), promise.pk


def deliveries_replay(*, promise_ids: Sequence[int], now: datetime) -> int:
    """Promises to apply them again, with all attempts; how many. What is being applied at this moment is left alone."""
    return outbox.renew(ids=promise_ids, now=now)


@transaction.atomic
def deliveries_prune(*, before: datetime, dry_run: bool = False) -> dict[str, int]:
    """Forgets what was applied before that instant, with the key by which a repetition was known; how many rows.

    Should Stripe deliver one even later, it is applied anew and finds all as it should be.
    """
    applied = OutboxMessage.objects.filter(task=APPLY, dedupe_key__startswith=KEY, done_at__lt=before)
    kept = WebhookEventTrigger.objects.filter(processed=True, created__lt=before)
    found = {"deliveries": kept.count(), "promises": applied.count()}
    if not dry_run:
        kept.delete()
        applied._raw_delete(using=applied.db)
    return found
