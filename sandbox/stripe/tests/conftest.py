"""A stand-in for each test, the official client, and the few things every test begins with."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
import stripe

from sandbox.stripe import StripeStandIn
from sandbox.stripe.rules import as_datetime

START = datetime(2027, 1, 31, 12, 0, tzinfo=UTC)


class World:
    """A stand-in, the client, and shorthand."""

    def __init__(self, stand_in: StripeStandIn) -> None:
        self.stand_in = stand_in
        self.url = stand_in.url
        self.client = stripe.StripeClient(
            stand_in.secret_key, base_addresses={"api": stand_in.url}, max_network_retries=0
        )
        self.v1 = self.client.v1
        self.prices: dict[str, str] = {}

    # time
    @property
    def now(self) -> int:
        return self.stand_in.core.clock.now()

    def to(self, at: datetime | int) -> None:
        moment = as_datetime(at) if isinstance(at, int) else at
        self.control("clock", {"to": moment.isoformat()})

    def advance(self, **span: float) -> None:
        units = {"days": 86_400, "hours": 3_600, "seconds": 1}
        self.control("clock", {"advance_s": sum(units[name] * value for name, value in span.items())})

    # controls
    def control(self, name: str, body: Any = None, method: str | None = None) -> Any:
        verb = method or ("GET" if body is None else "POST")
        answer = requests.request(verb, f"{self.url}/_sandbox/{name}", json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def state(self) -> dict[str, dict[str, Any]]:
        return self.control("state")

    # objects
    def price(
        self, name: str, amount: int, interval: str = "month", currency: str = "eur", **extra: Any
    ) -> str:
        """The id of a price, made when first asked for."""
        key = f"{name}-{amount}-{interval}-{currency}"
        if key not in self.prices:
            product = self.v1.products.create({"name": name})
            recurring = {"interval": interval}
            price = self.v1.prices.create(
                {
                    "product": product.id,
                    "currency": currency,
                    "unit_amount": amount,
                    "recurring": recurring,
                    **extra,
                }
            )
            self.prices[key] = price.id
        return self.prices[key]

    def customer(self, card: str | None = "pm_card_visa", **extra: Any) -> str:
        customer = self.v1.customers.create({"email": "someone@palier.test", **extra})
        if card:
            method = self.v1.payment_methods.attach(card, {"customer": customer.id})
            self.v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": method.id}})
        return customer.id

    def subscribe(self, price: str, customer: str | None = None, **extra: Any) -> Any:
        params = {"customer": customer or self.customer(), "items": [{"price": price}], **extra}
        return self.v1.subscriptions.create(params)

    def change(self, sub: Any, price: str, **extra: Any) -> Any:
        item = self.v1.subscriptions.retrieve(sub.id)["items"].data[0].id
        return self.v1.subscriptions.update(
            sub.id, {"items": [{"id": item, "price": price}], "expand": ["latest_invoice"], **extra}
        )

    def preview(self, sub: Any, price: str | None = None, **details: Any) -> Any:
        if price:
            item = self.v1.subscriptions.retrieve(sub.id)["items"].data[0].id
            details["items"] = [{"id": item, "price": price}]
        params: dict[str, Any] = {"subscription": sub.id}
        if details:
            params["subscription_details"] = details
        return self.v1.invoices.create_preview(params)

    def invoices(self, customer: str) -> list[Any]:
        """Oldest first."""
        return list(self.v1.invoices.list({"customer": customer, "limit": 100}).auto_paging_iter())[::-1]

    def events(self, *kinds: str) -> list[Any]:
        """Oldest first."""
        params: dict[str, Any] = {"limit": 100}
        if kinds:
            params["types"] = list(kinds)
        return list(self.v1.events.list(params).auto_paging_iter())[::-1]


@pytest.fixture(scope="session")
def _shared() -> Iterator[StripeStandIn]:
    with StripeStandIn() as stand_in:
        yield stand_in


@pytest.fixture
def world(_shared: StripeStandIn) -> World:
    """Emptied, its clock wherever the tests before have moved it."""
    _shared.core.reset()
    return World(_shared)


@pytest.fixture
def fresh() -> Iterator[World]:
    """A stand-in of its own, begun at noon of 31 January 2027, whatever the date is now."""
    began_us = time.time_ns() // 1_000
    with StripeStandIn() as stand_in:
        beginning_us = int(START.timestamp()) * 1_000_000
        stand_in.core.clock._real_us = lambda: beginning_us + time.time_ns() // 1_000 - began_us  # type: ignore[method-assign]
        yield World(stand_in)


def refused(kind: type[stripe.StripeError], call: Any, *args: Any) -> Any:
    """The error's body."""
    with pytest.raises(kind) as raised:
        call(*args)
    body: Any = raised.value.json_body
    return body["error"] | {"status": raised.value.http_status}
