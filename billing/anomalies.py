"""A jump in failed payments."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Q

from billing.enums import AttemptOutcome
from billing.models import PaymentAttempt
from billing.rules.failures import is_jump_of_failures
from common.anomalies import Unusual, finder

DAY = timedelta(days=1)
BEFORE = timedelta(days=28)
ENDED = (AttemptOutcome.SUCCEEDED, AttemptOutcome.FAILED)


@finder("payments")
def jump_of_failed_payments(now: datetime) -> Iterator[Unusual]:
    """By currency; `usual` is what would have failed at the share of the four weeks before."""
    attempts = PaymentAttempt.objects.filter(
        outcome__in=ENDED, attempted_at__gte=now - DAY - BEFORE, attempted_at__lt=now
    )
    today, failed = Q(attempted_at__gte=now - DAY), Q(outcome=AttemptOutcome.FAILED)
    rows = attempts.values("currency").annotate(
        tried=Count("pk", filter=today),
        failed=Count("pk", filter=today & failed),
        usual_tried=Count("pk", filter=~today),
        usual_failed=Count("pk", filter=~today & failed),
    )
    for row in rows.order_by("currency"):
        if is_jump_of_failures(
            failed=row["failed"],
            tried=row["tried"],
            usual_failed=row["usual_failed"],
            usual_tried=row["usual_tried"],
        ):
            share = row["usual_failed"] / row["usual_tried"] if row["usual_tried"] else 0
            yield Unusual(f"payments in {row['currency']}", row["failed"], round(share * row["tried"]))
