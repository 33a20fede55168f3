"""Payments for which the bank asks (3-D Secure): what is so while it waits, and everything that payers then do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import requests

from billing.errors import PaymentActionRequired
from billing.models import PlanChange
from billing.services import Preview, awaiting
from billing.tests.helpers import ask, everything
from tests.billing.reference import Subscriber, interval_of, plan_of
from tests.billing.subscribers import Life

PATIENCE = timedelta(hours=23, seconds=1)
"""After that nobody can pay any more."""


@dataclass(frozen=True)
class Upgrade:
    """A change that the bank asks about: what was seen, and what is so before it and after it."""

    life: Life
    target: str
    seen: Preview
    before: dict[str, Any]
    as_it_was: Subscriber
    as_it_will_be: Subscriber

    def asked(self, seen: Preview | None = None) -> dict[str, Any]:
        """What the payer is told. Besides the change that waits and its open invoice, which holds what credit there is,
        all is as before.
        """
        life, seen = self.life, seen or self.seen
        life.model = self.as_it_was
        life.world.tick()
        with pytest.raises(PaymentActionRequired) as raised:
            ask(life.account, plan_of(self.target), interval_of(self.target), quote=seen.quote)
        told = raised.value.details
        assert told["amount"] == {"amount_minor": seen.due_now.amount_minor, "currency": "eur"}
        self.waits(told)
        return told

    def waits(self, told: dict[str, Any]) -> None:
        life = self.life
        after = all_of(life)
        for kind in ("subscriptions", "limits", "features"):
            assert after[kind] == self.before[kind]
        waiting = PlanChange.objects.get(account=life.account, status="pending")
        assert (str(waiting.pk), waiting.awaits_payer) == (told["plan_change"], True)
        life.unpaid.append("open")
        life.model.balance, credit = self.as_it_will_be.balance, life.model.balance
        life.agree()
        life.model.balance = credit
        life.unpaid.pop()

    def pays(self, told: dict[str, Any], **how: Any) -> str:
        """What the payer does in the browser; the payment's status afterwards, or why it cannot be paid."""
        body = {"intent": told["client_secret"], **(how or {"authenticate": True})}
        url = f"{self.life.world.stand_in.url}/_sandbox/payer"
        answer = requests.post(url, json=body, timeout=20).json()
        return str(answer.get("status") or answer)

    def is_made(self, told: dict[str, Any]) -> None:
        self.life.model = self.as_it_will_be
        change = PlanChange.objects.get(pk=told["plan_change"])
        assert (change.status, change.charged_minor) == ("applied", self.seen.due_now.amount_minor)
        self.life.agree()

    def is_over(self, told: dict[str, Any], reason: str) -> None:
        """Nobody can pay it any more, and nothing has come of it."""
        change = PlanChange.objects.get(pk=told["plan_change"])
        assert (change.status, change.error_code) == ("failed", PaymentActionRequired.code)
        assert (change.error_details, change.charged_minor) == ({"reason": reason}, None)
        assert "canceled" in self.pays(told), "what is over could still be paid"
        self.life.agree()

    def begins_again(self) -> None:
        """With a card that asks nothing."""
        self.life.change(self.target)
        self.life.agree()


def all_of(life: Life) -> dict[str, Any]:
    """All rows and Stripe's objects, but for when they were last read."""
    found = everything(life.account, life.world.stand_in)
    for row in found["subscriptions"]:
        del row["stripe_read_at"]
    return found


# What payers do ------------------------------------------------------------------------------------------------------


def _leaves_and_comes_back(upgrade: Upgrade) -> None:
    """They leave it for something else, then want it after all, and close the browser once they have confirmed."""
    life = upgrade.life
    left = upgrade.asked()
    awaiting.change_replace(PlanChange.objects.get(pk=left["plan_change"]))
    life.unpaid.append("void")
    upgrade.is_over(left, "replaced")
    told = upgrade.asked(life.preview(upgrade.target))
    assert upgrade.pays(told) == "succeeded"
    life.hear()
    upgrade.is_made(told)


def _confirms(upgrade: Upgrade) -> None:
    """The page they come back to asks Stripe by itself."""
    told = upgrade.asked()
    assert upgrade.pays(told) == "succeeded"
    awaiting.change_follow(PlanChange.objects.get(pk=told["plan_change"]))
    upgrade.is_made(told)


def _is_refused_then_takes_another_card(upgrade: Upgrade) -> None:
    """It goes on waiting: nothing has moved, and the same payment can still be made."""
    told = upgrade.asked()
    assert upgrade.pays(told, authenticate=False) == "requires_payment_method"
    awaiting.change_follow(PlanChange.objects.get(pk=told["plan_change"]))
    upgrade.waits(told)
    assert upgrade.pays(told, payment_method="pm_card_visa") == "succeeded"
    upgrade.life.hear()
    upgrade.is_made(told)


def _never_does(upgrade: Upgrade) -> None:
    life, told = upgrade.life, upgrade.asked()
    _time_passes(life)
    life.hear()
    upgrade.is_over(told, "not_confirmed")
    upgrade.begins_again()


def _confirms_too_late(upgrade: Upgrade) -> None:
    """Before anybody here has heard that it is too late."""
    life, told = upgrade.life, upgrade.asked()
    _time_passes(life)
    assert "canceled" in upgrade.pays(told)
    life.hear()
    upgrade.is_over(told, "not_confirmed")
    upgrade.begins_again()


def _time_passes(life: Life) -> None:
    """More than there is to pay. Renewals meanwhile are paid."""
    life.card_becomes("visa")
    life.unpaid.append("void")
    life.live_to(life.second + PATIENCE)


WHAT_THEY_DO: dict[str, Callable[[Upgrade], None]] = {
    "needs action": _leaves_and_comes_back,
    "confirmed": _confirms,
    "refused by the bank": _is_refused_then_takes_another_card,
    "abandoned": _never_does,
    "confirmed too late": _confirms_too_late,
}
