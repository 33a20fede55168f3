"""Payments that did not go through: what happened and what to do, in words."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from billing.errors import PaymentActionRequired
from common.errors import DomainError


@dataclass(frozen=True)
class Problem:
    """`card`: another card would help."""

    title: str
    text: str
    card: bool


def problem_of(error: DomainError) -> Problem:
    if isinstance(error, PaymentActionRequired):
        return Problem(
            _("Your bank wants you to confirm this payment."),
            _("That cannot be done here yet. Nothing was changed and nothing charged. Use another card."),
            card=True,
        )
    return Problem(_("Nothing was charged."), str(error.message), card=True)
