"""Every attempt to collect money, in words."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import Account
from billing.enums import AttemptOutcome
from billing.models import PaymentAttempt
from billing.services.attempts import decline_text

SHOWN = 25
TONES = {AttemptOutcome.SUCCEEDED: "ok", AttemptOutcome.FAILED: "bad"}


@dataclass(frozen=True)
class AttemptRow:
    """`reference`: what to give to support."""

    at: datetime
    amount: dict[str, Any]
    refunded: dict[str, Any] | None
    card: str
    outcome_text: str
    tone: str
    reason: str
    reference: str


def attempt_rows(account: Account, *, limit: int = SHOWN) -> list[AttemptRow]:
    """Newest first."""
    found: Iterable[PaymentAttempt] = PaymentAttempt.objects.filter(account=account).order_by(
        "-attempted_at", "-id"
    )[:limit]
    return [_row(one) for one in found]


def _row(attempt: PaymentAttempt) -> AttemptRow:
    outcome = AttemptOutcome(attempt.outcome)
    return AttemptRow(
        at=attempt.attempted_at,
        amount=_money(attempt.amount_minor, attempt.currency),
        refunded=_money(attempt.refunded_minor, attempt.currency) if attempt.refunded_minor else None,
        card=_card(attempt),
        outcome_text=str(outcome.label),
        tone=TONES.get(outcome, "near"),
        reason=decline_text(attempt.reason_code) if outcome == AttemptOutcome.FAILED else "",
        reference=attempt.request_id or attempt.stripe_id,
    )


def _money(amount_minor: int, currency: str) -> dict[str, Any]:
    return {"amount_minor": amount_minor, "currency": currency}


def _card(attempt: PaymentAttempt) -> str:
    if not attempt.card_last4:
        return _("card")
    return f"{attempt.card_brand.capitalize()} •••• {attempt.card_last4}"
