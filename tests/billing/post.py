"""Stripe's post: what happened there, brought to our own address in any order, or late.

Each delivery is signed, goes through the real view, and is applied at once, as a worker would.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import stripe
from django.conf import settings
from django.test import Client
from djstripe.models import WebhookEndpoint

from billing import tasks
from billing.services.endpoint import EVENTS
from common import outbox
from sandbox.stripe.render import render
from tests.billing.world import EPOCH, World

SECRET = "whsec_of_the_proofs_0000000000000000"
UUID_OF_ENDPOINT = UUID(int=7)
Event = dict[str, Any]


class PostOffice:
    """`delay`: how long an event is on its way while time passes; None keeps all of them back.

    What happened before it was opened is none of its business. Without `mirror` dj-stripe's copy, which is made after
    ours and which nothing of ours follows from, is left out: it takes half of the time.
    """

    def __init__(self, world: World, delay: timedelta | None, *, mirror: bool = False) -> None:
        self.world = world
        self.delay = delay
        self.mirror = mirror
        self.delivered: list[Event] = []
        self._is_out = False
        self._client = Client()
        self._known = {one["id"] for one in self._all()}
        endpoint = {
            "id": "we_of_the_proofs",
            "secret": SECRET,
            "status": "enabled",
            "enabled_events": list(EVENTS),
            "livemode": False,
            "djstripe_validation_method": "verify_signature",
        }
        WebhookEndpoint.objects.get_or_create(djstripe_uuid=UUID_OF_ENDPOINT, defaults=endpoint)

    def undelivered(self) -> list[Event]:
        """Oldest first."""
        return [one for one in self._all() if one["id"] not in self._known]

    def _all(self) -> list[Event]:
        """Of what we have asked to be told of, in the order in which it happened."""
        with self.world.stand_in.core.lock:
            tx = self.world.stand_in.core.begin()
            return [render(tx, one) for one in tx.scan("event") if one["type"] in EVENTS]

    def deliver(self, events: Iterable[Event]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(settings, "STRIPE_WEBHOOK_SECRET", SECRET)
            if not self.mirror:
                patch.setattr(tasks, "_mirror", lambda _trigger: None)
            for event in events:
                self._known.add(event["id"])
                self.delivered.append(event)
                self._send(json.dumps(event))
                outbox.run_due(now=self.world.tick())

    def _send(self, body: str) -> None:
        at = int(time.time())
        signature = stripe.WebhookSignature._compute_signature(f"{at}.{body}", SECRET)
        answer = self._client.post(
            f"/stripe/webhook/{UUID_OF_ENDPOINT}/",
            body,
            content_type="application/json",
            headers={"Stripe-Signature": f"t={at},v1={signature}"},
        )
        assert answer.status_code == 200, answer.content

    # While time passes -------------------------------------------------------------------------------------------

    def arrivals(self) -> list[Event]:
        """What has been on its way for long enough by now."""
        return [one for one in self.undelivered() if (at := self._arrives(one)) and at <= self.world.now]

    def next_arrival(self) -> datetime | None:
        return min((at for one in self.undelivered() if (at := self._arrives(one))), default=None)

    def _arrives(self, event: Event) -> datetime | None:
        if self.delay is None:
            return None
        return EPOCH + timedelta(seconds=event["created"]) + self.delay

    def bring(self) -> None:
        """Delivers what has arrived, and what that leads to."""
        if self._is_out:
            return
        self._is_out = True
        try:
            while due := self.arrivals():
                self.deliver(due)
        finally:
            self._is_out = False

    def live_to(self, moment: datetime) -> None:
        """Time passes; each event is delivered when it arrives."""
        self.bring()
        while (stop := self._stop()) is not None and stop < moment:
            self.world.move(stop)
            self.bring()
        self.world.move(moment)
        self.bring()

    def _stop(self) -> datetime | None:
        return min([*self.world.stop(), *filter(None, [self.next_arrival()])], default=None)
