"""Stripe's events: checked and written down in the request, applied by a task.

dj-stripe keeps the event and mirrors the object; what we do is in services.converge. Its view is wrapped, because it
would keep every forged request whole, take a replacement of the secret from a header under DEBUG, and fail on a
forwarded address that is none.
"""

import ipaddress
import json
from typing import Any
from uuid import UUID

import stripe
import structlog
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from djstripe.models import WebhookEndpoint, WebhookEventTrigger
from djstripe.views import ProcessWebhookView

from billing import metrics
from common import clock, outbox

log = structlog.get_logger(__name__)

SECRET_OVERRIDE = "HTTP_X_DJSTRIPE_WEBHOOK_SECRET"  # noqa: S105 - a header's name
FORWARDED = "HTTP_X_FORWARDED_FOR"
APPLY = "billing.tasks.stripe_event_apply"


class StripeWebhookView(ProcessWebhookView):
    """`POST /stripe/webhook/<uuid>/`: 200 once the event is written down, 400 for what Stripe did not sign."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, uuid: UUID) -> HttpResponse:
        for header in (SECRET_OVERRIDE, *_unusable_headers(request)):
            request.META.pop(header, None)
        endpoint = WebhookEndpoint.objects.filter(djstripe_uuid=uuid).first()
        if endpoint is None:
            raise Http404
        if not _is_signed(request, endpoint):
            metrics.webhooks_total.labels("refused").inc()
            log.warning("webhook_refused", endpoint=str(uuid))
            return HttpResponseBadRequest("not signed by Stripe, or too long ago", content_type="text/plain")
        metrics.webhooks_total.labels("accepted").inc()
        response: HttpResponse = super().post(request, uuid)
        return response


def _unusable_headers(request: HttpRequest) -> list[str]:
    """dj-stripe stores the first forwarded address in an `inet` column; text that is no address is a 500 there."""
    first = request.META.get(FORWARDED, "").split(",")[0].strip()
    try:
        ipaddress.ip_address(first)
    except ValueError:
        return [FORWARDED]
    return []


def _is_signed(request: HttpRequest, endpoint: WebhookEndpoint) -> bool:
    """Before anything is stored: signature, age (5 minutes) and that it is an event's JSON."""
    try:
        body = request.body.decode()
        stripe.WebhookSignature.verify_header(
            body, request.headers.get("stripe-signature", ""), endpoint.secret, endpoint.djstripe_tolerance
        )
        event = json.loads(body)
    except (stripe.SignatureVerificationError, ValueError):
        return False
    return isinstance(event, dict) and "id" in event and "livemode" in event


def event_received(trigger: WebhookEventTrigger, *, api_key: str) -> None:
    """dj-stripe's callback for a valid delivery, in its transaction: promise to apply the event, once.

    Stripe delivers an event more than once and in any order; the first delivery's promise counts.
    """
    del api_key
    assert connection.in_atomic_block, "dj-stripe validates inside a transaction"
    event_id = str(trigger.json_body["id"])
    outbox.promise(
        APPLY, {"trigger_id": trigger.pk}, now=clock.now(), dedupe_key=f"stripe_event:{event_id[:150]}"
    )


def subscription_of(event: dict[str, Any]) -> str | None:
    """The Stripe subscription that an event is about; None when it is about none."""
    thing = (event.get("data") or {}).get("object") or {}
    kind = thing.get("object")
    if kind == "subscription":
        return _id(thing.get("id"))
    if kind == "subscription_schedule":
        return _id(thing.get("subscription")) or _id(thing.get("released_subscription"))
    if kind == "invoice":
        details = (thing.get("parent") or {}).get("subscription_details") or {}
        return _id(details.get("subscription"))
    if kind == "checkout.session":
        return _id(thing.get("subscription"))
    return None


def _id(value: Any) -> str | None:
    return value if isinstance(value, str) else (value or {}).get("id")
