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
            _("The payment was not confirmed."),
            _("Nothing was changed and nothing charged. Begin again when you are ready."),
            card=False,
        )
    return Problem(_("Nothing was charged."), str(error.message), card=True)
