"""Payments that did not go through: what happened and what to do, in words."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from billing.errors import PaymentActionRequired
from billing.gateways.client import MISSING_METHOD
from common.errors import DomainError


@dataclass(frozen=True)
class Problem:
    """`card`: what the button to add one says; empty where a card would not help, or is being asked for already."""

    title: str
    text: str
    card: str


def problem_of(error: DomainError) -> Problem:
    if isinstance(error, PaymentActionRequired):
        return Problem(
            _("The payment was not confirmed."),
            _("Nothing was changed and nothing charged. Begin again when you are ready."),
            card="",
        )
    if error.details.get("decline_code") == MISSING_METHOD:
        return Problem(_("There is no card to charge."), str(error.message), card=_("Add a card"))
    return Problem(_("Nothing was charged."), str(error.message), card=_("Use another card"))


def card_problem_of(error: DomainError) -> Problem:
    """The same where a card is being added."""
    if isinstance(error, PaymentActionRequired):
        return Problem(_("The card was not added."), _("Its bank wants it confirmed: enter it."), card="")
    reason = str(error.details.get("reason", ""))
    return Problem(_("The card was not added."), f"{reason[:1].upper()}{reason[1:]}.", card="")
