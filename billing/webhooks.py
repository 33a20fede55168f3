"""Stripe's events: checked and written down in the request, applied by a task.

The address, the endpoint's row and the table of deliveries are dj-stripe's; the task lets it mirror the object. Its own
view does not do here: it talks to Stripe while Stripe waits, keeps every forged request whole, takes a replacement of
the secret from a header under DEBUG, and fails on a forwarded address that is none.
"""

import json
import re
import time
from typing import Any
from uuid import UUID

import stripe
import structlog
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from djstripe.models import WebhookEndpoint, WebhookEventTrigger

from billing import metrics
from billing.services.deliveries import APPLY, KEY
from common import clock, outbox
from common.api.envelope import error_response
from common.errors import MalformedRequest, MethodNotAllowed, NotFound, PayloadTooLarge
from common.models import OutboxMessage

log = structlog.get_logger(__name__)

NOT_SIGNED = _("This was not signed by Stripe, or not just now.")
NAME = re.compile(r"[\x21-\x7e]{1,255}")  # of an event and of its type, as the database can keep it
LAST_SECOND = 1 << 33
KEPT_HEADERS = ("Content-Type", "User-Agent", "Stripe-Signature")


@method_decorator(csrf_exempt, name="dispatch")
class StripeWebhookView(View):
    """`POST /stripe/webhook/<uuid>/`: 200 once the event is written down, 400 for what Stripe did not sign or is no
    event. Refusals are JSON envelopes, as the API's.
    """

    http_method_names = ["post"]

    def post(self, request: HttpRequest, uuid: UUID) -> HttpResponse:
        endpoint = WebhookEndpoint.objects.filter(djstripe_uuid=uuid).first()
        if endpoint is None:
            return error_response(NotFound())
        try:
            event = _event_of(_signed_body(request, endpoint))
        except RequestDataTooBig:
            metrics.webhooks_total.labels("refused").inc()
            return error_response(PayloadTooLarge())
        except MalformedRequest as error:
            metrics.webhooks_total.labels("refused").inc()
            log.warning("webhook_refused", endpoint=endpoint.id, reason=str(error.message))
            return error_response(error)
        is_new = event_keep(event=event, request=request, endpoint=endpoint)
        metrics.webhooks_total.labels("accepted" if is_new else "repeated").inc()
        return HttpResponse("kept" if is_new else "known", content_type="text/plain")

    def http_method_not_allowed(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # noqa: ARG002
        answer = error_response(MethodNotAllowed())
        answer["Allow"] = "POST"
        return answer


def _signed_body(request: HttpRequest, endpoint: WebhookEndpoint) -> str:
    """The body, when signature and age (5 minutes) are right. Nothing is stored before that is known.

    The library refuses what is too old only; a moment that far ahead is no less wrong, and would be good for long.
    """
    header, tolerance = request.headers.get("Stripe-Signature", ""), endpoint.djstripe_tolerance
    try:
        body = request.body.decode()
        stripe.WebhookSignature.verify_header(body, header, _secret_of(endpoint), tolerance)
        is_ahead = tolerance and _signed_at(header) > time.time() + tolerance
    except (stripe.SignatureVerificationError, ValueError) as error:
        raise MalformedRequest(NOT_SIGNED) from error
    if is_ahead:
        raise MalformedRequest(NOT_SIGNED)
    return body


def _secret_of(endpoint: WebhookEndpoint) -> str:
    """The installation's setting, so that a restart is all that a new secret needs; else what the endpoint was made with."""
    return settings.STRIPE_WEBHOOK_SECRET or endpoint.secret


def _signed_at(header: str) -> int:
    """The moment in a signature that has been verified, in seconds; of several the one that was: the first."""
    return next(int(part[2:]) for part in header.split(",") if part.startswith("t="))


def _event_of(body: str) -> dict[str, Any]:
    """The event in a signed body; MalformedRequest when it has not what every event of Stripe's has."""
    try:
        event = json.loads(body)
    except ValueError as error:
        raise MalformedRequest(_("This is signed, but no JSON.")) from error
    if not _is_event(event):
        raise MalformedRequest(
            _("This is signed, but no event: id, type, created and data.object are needed.")
        )
    if not _is_ours(event):
        raise MalformedRequest(
            _("This event is another account's, or of another mode (test or live) than this installation's.")
        )
    return event


def _is_ours(event: dict[str, Any]) -> bool:
    """Of our own Stripe account (a connected one's names it) and of the mode that we run in."""
    same_mode = event.get("livemode") in (None, settings.STRIPE_LIVE_MODE)
    return not event.get("account") and same_mode


def _is_event(event: Any) -> bool:
    if not isinstance(event, dict) or not isinstance(event.get("data"), dict):
        return False
    named = all(isinstance(event.get(name), str) and NAME.fullmatch(event[name]) for name in ("id", "type"))
    created = event.get("created")
    dated = isinstance(created, int) and not isinstance(created, bool) and 0 < created < LAST_SECOND
    return named and dated and isinstance(event["data"].get("object"), dict)


@transaction.atomic
def event_keep(*, event: dict[str, Any], request: HttpRequest, endpoint: WebhookEndpoint) -> bool:
    """Keeps the delivery and promises to apply the event; whether it is new.

    Stripe delivers an event more than once and in any order. Of several at once the first promise counts.
    """
    key = f"{KEY}{event['id'][:150]}"
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
    thing = thing_of(event)
    kind = thing.get("object")
    if kind == "subscription":
        return id_of(thing.get("id"))
    if kind == "subscription_schedule":
        return id_of(thing.get("subscription")) or id_of(thing.get("released_subscription"))
    if kind == "invoice":
        return id_of(_in(_in(thing, "parent"), "subscription_details").get("subscription"))
    if kind == "checkout.session":
        return id_of(thing.get("subscription"))
    return None


def thing_of(event: dict[str, Any]) -> dict[str, Any]:
    """The object that an event is about."""
    return _in(_in(event, "data"), "object")


def _in(thing: dict[str, Any], name: str) -> dict[str, Any]:
    """The object under that name; empty when there is none."""
    value = thing.get(name)
    return value if isinstance(value, dict) else {}


def mirrored_with(event: dict[str, Any]) -> str | None:
    """The id of the customer an event is about, else of its object: their rows are written together."""
    thing = thing_of(event)
    return id_of(thing.get("customer")) or id_of(thing.get("id"))


def id_of(value: Any) -> str | None:
    """The id of what Stripe gives as an id or expanded."""
    found = value.get("id") if isinstance(value, dict) else value
    return found if isinstance(found, str) else None
