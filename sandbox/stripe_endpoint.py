"""Tells the Stripe stand-in where to deliver, as one tells Stripe: by a webhook endpoint, whose secret it answers."""

from __future__ import annotations

import stripe

from sandbox.environment import Secrets

ENDPOINT_ID = "STRIPE_WEBHOOK_ENDPOINT"
UUID_KEY = "djstripe_uuid"  # in the endpoint's metadata: what it is known by, whatever its address


def ensure(sandbox_url: str, url: str, *, kept: Secrets) -> Secrets:
    """What of `kept` is to be replaced, so that the endpoint delivers to `url` and its secret is known.

    Nothing, unless it is the first time. The secret is told only when the endpoint is made.
    """
    client = stripe.StripeClient(
        kept["STRIPE_SECRET_KEY"], base_addresses={"api": sandbox_url}, max_network_retries=0
    )
    uuid = kept["STRIPE_WEBHOOK_UUID"]
    endpoints = client.v1.webhook_endpoints
    for endpoint in endpoints.list({"limit": 100}).data:
        if endpoint.metadata.to_dict().get(UUID_KEY) != uuid:
            continue
        if endpoint.id == kept.get(ENDPOINT_ID):
            if endpoint.url != url:
                endpoints.update(endpoint.id, {"url": url})  # another port than last time
            return {}
        endpoints.delete(endpoint.id)  # ours, its secret forgotten
    made = endpoints.create({"url": url, "enabled_events": ["*"], "metadata": {UUID_KEY: uuid}})
    if made.secret is None:
        raise RuntimeError("The stand-in made a webhook endpoint and did not say its secret.")
    return {ENDPOINT_ID: made.id, "STRIPE_WEBHOOK_SECRET": made.secret}
