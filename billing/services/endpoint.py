"""Where Stripe delivers its events: the endpoint at Stripe, and the row by which dj-stripe checks signatures."""

from uuid import UUID

from django.conf import settings
from djstripe.models import WebhookEndpoint

from billing.gateways.endpoint import EndpointState, endpoint_ensure

EVENTS = (
    "customer.created",
    "customer.updated",
    "customer.deleted",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.subscription.trial_will_end",
    "customer.subscription.pending_update_applied",
    "customer.subscription.pending_update_expired",
    "subscription_schedule.updated",
    "subscription_schedule.released",
    "subscription_schedule.completed",
    "subscription_schedule.canceled",
    "invoice.created",
    "invoice.finalized",
    "invoice.paid",
    "invoice.payment_failed",
    "invoice.payment_action_required",
    "invoice.updated",
    "invoice.voided",
    "invoice.marked_uncollectible",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.requires_action",
    "payment_intent.canceled",
    "payment_intent.processing",
    "setup_intent.succeeded",
    "setup_intent.setup_failed",
    "setup_intent.requires_action",
    "setup_intent.canceled",
    "charge.failed",
    "charge.succeeded",
    "payment_method.attached",
    "payment_method.updated",
    "payment_method.automatically_updated",
    "payment_method.detached",
    "charge.refunded",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "checkout.session.completed",
    "checkout.session.expired",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "product.created",
    "product.updated",
    "price.created",
    "price.updated",
)


def endpoint_url() -> str:
    return f"{settings.BASE_URL}/stripe/webhook/{settings.STRIPE_WEBHOOK_UUID}/"


def endpoint_remember(state: EndpointState | None = None, *, secret: str = "") -> WebhookEndpoint | None:
    """The row of the endpoint named by STRIPE_WEBHOOK_UUID, with its secret. None when none is configured."""
    secret = secret or settings.STRIPE_WEBHOOK_SECRET
    if not settings.STRIPE_WEBHOOK_UUID or not secret:
        return None
    values = {
        "url": state.url if state else endpoint_url(),
        "secret": secret,
        "status": "enabled",
        "enabled_events": list(state.events) if state else list(EVENTS),
        "livemode": settings.STRIPE_LIVE_MODE,
        "djstripe_validation_method": "verify_signature",
    }
    uuid = UUID(settings.STRIPE_WEBHOOK_UUID)
    identity = state.id if state else f"we_{uuid.hex}"
    row, _ = WebhookEndpoint.objects.update_or_create(
        djstripe_uuid=uuid, defaults=values, create_defaults={**values, "id": identity}
    )
    return row


def endpoint_publish() -> tuple[WebhookEndpoint | None, EndpointState]:
    """Makes or updates the endpoint at Stripe for our address. The secret is told only when it is made."""
    state = endpoint_ensure(url=endpoint_url(), uuid=settings.STRIPE_WEBHOOK_UUID, events=EVENTS)
    return endpoint_remember(state, secret=state.secret or ""), state
