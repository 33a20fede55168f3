"""Stripe's events: checked and written down in the request, applied by a task.

The address, the endpoint's row and the table of deliveries are dj-stripe's; the task lets it mirror the object. Its own
view does not do here: it talks to Stripe while Stripe waits, keeps every forged request whole, takes a replacement of
the secret from a header under DEBUG, and fails on a forwarded address that is none.
"""

import json
from typing import Any
from uuid import UUID

import stripe
import structlog
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from djstripe.models import WebhookEndpoint, WebhookEventTrigger

from billing import metrics
from common import clock, outbox
from common.models import OutboxMessage

log = structlog.get_logger(__name__)

APPLY = "billing.tasks.stripe_event_apply"
KEPT_HEADERS = ("Content-Type", "User-Agent", "Stripe-Signature")


@method_decorator(csrf_exempt, name="dispatch")
class StripeWebhookView(View):
    """`POST /stripe/webhook/<uuid>/`: 200 once the event is written down, 400 for what Stripe did not sign."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, uuid: UUID) -> HttpResponse:
        endpoint = WebhookEndpoint.objects.filter(djstripe_uuid=uuid).first()
        if endpoint is None:
            raise Http404
        event = _signed_event(request, endpoint)
        if event is None:
            metrics.webhooks_total.labels("refused").inc()
            log.warning("webhook_refused", endpoint=str(uuid))
            return HttpResponseBadRequest("not signed by Stripe, or too long ago", content_type="text/plain")
        is_new = event_keep(event=event, request=request, endpoint=endpoint)
        metrics.webhooks_total.labels("accepted" if is_new else "repeated").inc()
        return HttpResponse("kept" if is_new else "known", content_type="text/plain")


def _signed_event(request: HttpRequest, endpoint: WebhookEndpoint) -> dict[str, Any] | None:
    """The event, when signature and age (5 minutes) are right. Nothing is stored before that is known."""
    try:
        body = request.body.decode()
        stripe.WebhookSignature.verify_header(
            body, request.headers.get("Stripe-Signature", ""), endpoint.secret, endpoint.djstripe_tolerance
        )
        event = json.loads(body)
    except (stripe.SignatureVerificationError, ValueError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("id"), str) else None


@transaction.atomic
def event_keep(*, event: dict[str, Any], request: HttpRequest, endpoint: WebhookEndpoint) -> bool:
    """Keeps the delivery and promises to apply the event; whether it is new.

    Stripe delivers an event more than once and in any order. Of several at once the first promise counts.
    """
    key = f"stripe_event:{event['id'][:150]}"
    if OutboxMessage.objects.filter(dedupe_key=key).exists():
        return False
    trigger = WebhookEventTrigger.objects.create(
        remote_ip=request.META.get("REMOTE_ADDR") or "0.0.0.0",  # noqa: S104 - "unknown", nothing listens there
        headers={name: request.headers[name] for name in KEPT_HEADERS if name in request.headers},
        body=request.body.decode(),
        valid=True,
        webhook_endpoint=endpoint,
        stripe_trigger_account=endpoint.djstripe_owner_account,
    )
    outbox.promise(APPLY, {"trigger_id": trigger.pk}, now=clock.now(), dedupe_key=key)
    return True


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
