"""Subscription items, by themselves."""

from sandbox.stripe.errors import missing
from sandbox.stripe.params import Params
from sandbox.stripe.resources import subscriptions as subscription_calls
from sandbox.stripe.routing import page, route
from sandbox.stripe.store import Object, Tx


def _of_item(tx: Tx, item_id: str) -> tuple[Object, Object]:
    for sub in tx.find("subscription"):
        for item in sub["items"]["data"]:
            if item["id"] == item_id:
                return sub, item
    raise missing("subscription_item", item_id)


@route("GET", "/v1/subscription_items/<item_id>", "SubscriptionItemRetrieveParams")
def retrieve(tx: Tx, params: Params, item_id: str) -> Object:
    return _of_item(tx, item_id)[1]


@route("GET", "/v1/subscription_items", "SubscriptionItemListParams")
def list_(tx: Tx, params: Params) -> Object:
    sub = tx.get("subscription", params["subscription"], param="subscription")
    return page(tx, params, sub["items"]["data"], "/v1/subscription_items", newest_first=False)


@route("POST", "/v1/subscription_items/<item_id>", "SubscriptionItemUpdateParams")
def update(tx: Tx, params: Params, item_id: str) -> Object:
    sub, _ = _of_item(tx, item_id)
    how = {"proration_behavior", "proration_date", "payment_behavior", "off_session"}
    change = {name: value for name, value in params.items() if name not in how}
    rest = {name: value for name, value in params.items() if name in how}
    subscription_calls.update(tx, rest | {"items": [change | {"id": item_id}]}, sub["id"])
    return _of_item(tx, item_id)[1]
