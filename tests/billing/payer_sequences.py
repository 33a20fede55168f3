"""Ways through 3-D Secure of which Stripe has something to tell: asked, confirmed, refused, left, and come back too late."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import requests

from billing.errors import PaymentActionRequired
from billing.services import invoice_pay
from billing.tests.helpers import ask
from common.clock import database_now
from tests.billing.reference import interval_of, plan_of
from tests.billing.sequences import Happening, days, hours, life_with, period_end
from tests.billing.subscribers import Life
from tests.billing.world import World

ASKS = "authenticationRequired"
OTHER_CARD = "pm_card_visa"


def _asking(*offers: str) -> Callable[[World], Life]:
    """Somebody whose bank asks from now on."""

    def before(world: World) -> Life:
        life = life_with(*offers)(world)
        life.card_becomes(ASKS)
        return life

    return before


def _asked(life: Life, offer: str) -> str:
    """The payment's client secret."""
    life.world.tick()
    try:
        ask(life.account, plan_of(offer), interval_of(offer))
    except PaymentActionRequired as error:
        return str(error.details["client_secret"])
    raise AssertionError("the bank was not asked")


def _pays(life: Life, secret: str, **how: Any) -> str:
    """In the browser, which is then closed; the payment's status, or why there is none."""
    life.world.tick()
    url = f"{life.world.stand_in.url}/_sandbox/payer"
    answer = requests.post(url, json={"intent": secret, **how}, timeout=20).json()
    return str(answer.get("status") or answer["error"])


def _is_bought(life: Life, offer: str) -> str:
    secret = _asked(life, offer)
    life.model.upgraded(offer, life.second)
    return secret


def _confirmed(offer: str) -> Callable[[Life], str]:
    def act(life: Life) -> str:
        secret = _is_bought(life, offer)
        hours(life, 2)
        return _pays(life, secret, authenticate=True)

    return act


def _refused(offer: str) -> Callable[[Life], str]:
    """Then paid with another card."""

    def act(life: Life) -> str:
        secret = _is_bought(life, offer)
        hours(life, 1)
        refused = _pays(life, secret, authenticate=False)
        hours(life, 1)
        return f"{refused}, {_pays(life, secret, payment_method=OTHER_CARD)}"

    return act


def _left(offer: str) -> Callable[[Life], str]:
    """And come back to when it is too late."""

    def act(life: Life) -> str:
        secret = _asked(life, offer)
        hours(life, 24)
        return _pays(life, secret, authenticate=True)

    return act


def _left_at_the_end(life: Life) -> str:
    """The period ends while the bank waits: the change lapses, and the renewal is paid with another card."""
    life.live_to(period_end(life) - timedelta(minutes=5))
    secret = _asked(life, "basic/year")
    life.card_becomes("visa")
    days(life, 1)
    return _pays(life, secret, authenticate=True)


def _renewal_confirmed(life: Life) -> None:
    """The bank asks about a renewal while nobody is there; the payer pays it a day later."""
    life.live_to(period_end(life))
    days(life, 1)
    life.world.tick()
    (invoice,) = (one for one in life.invoices() if one["status"] == "open")
    try:
        invoice_pay(
            account=life.account, user=None, invoice_id=invoice["id"], request_id="", now=database_now()
        )
    except PaymentActionRequired as error:
        _pays(life, str(error.details["client_secret"]), authenticate=True)


PAYER_HAPPENINGS = {
    "a start, confirmed by the payer": Happening(_asking(), _confirmed("premium/month")),
    "a start, left": Happening(_asking(), _left("basic/year"), agrees=False),
    "an upgrade, confirmed by the payer": Happening(
        _asking("basic/month"), _confirmed("basic/year"), mirrors=False
    ),
    "an upgrade, refused by the bank": Happening(
        _asking("basic/month"), _refused("premium/month"), mirrors=False
    ),
    "an upgrade, left": Happening(_asking("basic/month"), _left("premium/month"), agrees=False),
    "an upgrade, left as the period ended": Happening(_asking("basic/month"), _left_at_the_end, agrees=False),
    "a renewal, confirmed by the payer": Happening(_asking("basic/month"), _renewal_confirmed),
}
