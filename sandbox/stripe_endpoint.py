"""Tells the Stripe stand-in where to deliver, as one tells Stripe: by a webhook endpoint, whose secret it answers."""

from __future__ import annotations

import stripe

from sandbox.environment import Secrets


def ensure(sandbox_url: str, secret_key: str, url: str, *, kept: Secrets) -> Secrets:
    """The secret and the id of the endpoint that delivers to `url`, made anew unless `kept` is still true."""
    client = stripe.StripeClient(secret_key, base_addresses={"api": sandbox_url}, max_network_retries=0)
    ours = None
    for endpoint in client.v1.webhook_endpoints.list().data:
        if endpoint.id == kept.get("STRIPE_WEBHOOK_ENDPOINT"):
            ours = endpoint
        else:
            client.v1.webhook_endpoints.delete(endpoint.id)
    if ours is None:
        made = client.v1.webhook_endpoints.create({"url": url, "enabled_events": ["*"]})
        if made.secret is None:
            raise RuntimeError("The stand-in made a webhook endpoint and did not say its secret.")
        return {"STRIPE_WEBHOOK_ENDPOINT": made.id, "STRIPE_WEBHOOK_SECRET": made.secret}
    if ours.url != url:
        client.v1.webhook_endpoints.update(ours.id, {"url": url})  # the demo moved to another port
    return {}
