"""The address Stripe delivers events to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from billing.gateways.client import api, gateway_call

UUID_KEY = "djstripe_uuid"  # what dj-stripe looks for when it mirrors the endpoint


@dataclass(frozen=True, slots=True)
class EndpointState:
    """`secret` is told by Stripe only when the endpoint is made; None afterwards."""

    id: str
    url: str
    events: tuple[str, ...]
    secret: str | None
    made: bool


@gateway_call
def endpoint_find(*, url: str, uuid: str) -> EndpointState | None:
    """The endpoint of ours at Stripe as it is; None when there is none, or when it is switched off."""
    known = _known(url, uuid)
    if known is None or known["status"] != "enabled":
        return None
    return EndpointState(known["id"], known["url"], tuple(known["enabled_events"]), None, made=False)


def _known(url: str, uuid: str) -> dict[str, Any] | None:
    known = None
    for one in api().webhook_endpoints.list({"limit": 100}).auto_paging_iter():
        data = one.to_dict()
        if (data.get("metadata") or {}).get(UUID_KEY) == uuid or data["url"] == url:
            known = data
    return known


@gateway_call
def endpoint_ensure(*, url: str, uuid: str, events: Sequence[str]) -> EndpointState:
    """The endpoint of ours at Stripe with this address and these events; made when there is none."""
    known = _known(url, uuid)
    params: dict[str, Any] = {"url": url, "enabled_events": list(events), "metadata": {UUID_KEY: uuid}}
    if known is None:
        made = api().webhook_endpoints.create(params).to_dict()
        return EndpointState(
            made["id"], made["url"], tuple(made["enabled_events"]), made["secret"], made=True
        )
    data = api().webhook_endpoints.update(known["id"], params).to_dict()
    return EndpointState(data["id"], data["url"], tuple(data["enabled_events"]), None, made=False)
