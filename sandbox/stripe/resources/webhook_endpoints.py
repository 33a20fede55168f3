"""Webhook endpoints and events."""

from urllib.parse import urlsplit

from sandbox.stripe.errors import invalid
from sandbox.stripe.events import API_VERSION
from sandbox.stripe.params import Params
from sandbox.stripe.resources.common import assign, deleted
from sandbox.stripe.routing import matching, page, route
from sandbox.stripe.store import Object, Tx


@route("POST", "/v1/webhook_endpoints", "WebhookEndpointCreateParams")
def create(tx: Tx, params: Params) -> Object:
    """The secret is in this answer only."""
    if params.get("api_version", API_VERSION) != API_VERSION:
        raise invalid(f"This server speaks {API_VERSION} only.", "api_version")
    secret = f"whsec_{tx.ids.token(32)}"
    endpoint: Object = {
        "id": tx.ids.new("we"),
        "object": "webhook_endpoint",
        "api_version": params.get("api_version"),
        "application": None,
        "created": tx.now,
        "description": None,
        "enabled_events": params["enabled_events"],
        "livemode": False,
        "metadata": {},
        "status": "enabled",
        "url": _url(params["url"]),
        "_secret": secret,
    }
    assign(endpoint, params, "description")
    tx.add(endpoint)
    return endpoint | {"secret": secret}


def _url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise invalid(
            "Invalid URL: An explicit scheme (such as https) must be provided.", "url", "url_invalid"
        )
    return url


@route("GET", "/v1/webhook_endpoints/<endpoint_id>", "WebhookEndpointRetrieveParams")
def retrieve(tx: Tx, params: Params, endpoint_id: str) -> Object:
    return tx.get("webhook_endpoint", endpoint_id)


@route("POST", "/v1/webhook_endpoints/<endpoint_id>", "WebhookEndpointUpdateParams")
def update(tx: Tx, params: Params, endpoint_id: str) -> Object:
    endpoint = tx.get("webhook_endpoint", endpoint_id)
    assign(endpoint, params, "description", "enabled_events")
    if "url" in params:
        endpoint["url"] = _url(params["url"])
    if "disabled" in params:
        endpoint["status"] = "disabled" if params["disabled"] else "enabled"
    return endpoint


@route("DELETE", "/v1/webhook_endpoints/<endpoint_id>", "WebhookEndpointDeleteParams")
def delete(tx: Tx, params: Params, endpoint_id: str) -> Object:
    endpoint = tx.get("webhook_endpoint", endpoint_id)
    tx.remove("webhook_endpoint", endpoint_id)
    return deleted(endpoint)


@route("GET", "/v1/webhook_endpoints", "WebhookEndpointListParams")
def list_(tx: Tx, params: Params) -> Object:
    return page(tx, params, tx.scan("webhook_endpoint"), "/v1/webhook_endpoints")


@route("GET", "/v1/events/<event_id>", "EventRetrieveParams")
def retrieve_event(tx: Tx, params: Params, event_id: str) -> Object:
    return tx.get("event", event_id)


@route("GET", "/v1/events", "EventListParams")
def list_events(tx: Tx, params: Params) -> Object:
    rows = tx.scan("event")
    if "types" in params:
        rows = [event for event in rows if event["type"] in params["types"]]
    if "delivery_success" in params:
        rows = [event for event in rows if (event["pending_webhooks"] == 0) == params["delivery_success"]]
    if str(params.get("type", "")).endswith("*"):
        rows = [event for event in rows if event["type"].startswith(params["type"][:-1])]
        params = {name: value for name, value in params.items() if name != "type"}
    return page(tx, params, matching(rows, params, skip={"types", "delivery_success"}), "/v1/events")
