"""Customer portal sessions."""

from sandbox.stripe.errors import invalid
from sandbox.stripe.events import emit
from sandbox.stripe.params import Params
from sandbox.stripe.resources.customers import live_customer
from sandbox.stripe.routing import route
from sandbox.stripe.store import Object, Tx

CONFIGURATION = "bpc_1PalierSandbox000000000"


@route("POST", "/v1/billing_portal/sessions", "billing_portal.SessionCreateParams")
def create(tx: Tx, params: Params) -> Object:
    """The portal's first page; it lets customers cancel and keep subscriptions, and add cards."""
    if "customer" not in params:
        raise invalid("Missing required param: customer.", "customer", "parameter_missing")
    if params.get("configuration", CONFIGURATION) != CONFIGURATION:
        raise invalid(
            f"No such configuration: '{params['configuration']}'", "configuration", "resource_missing"
        )
    customer = live_customer(tx, params["customer"])
    token = tx.ids.token(40)
    session: Object = {
        "id": tx.ids.new("bps"),
        "object": "billing_portal.session",
        "configuration": CONFIGURATION,
        "created": tx.now,
        "customer": customer["id"],
        "customer_account": None,
        "flow": _flow(tx, customer, params["flow_data"]) if "flow_data" in params else None,
        "livemode": False,
        "locale": params.get("locale"),
        "on_behalf_of": None,
        "return_url": params.get("return_url"),
        "url": f"{tx.base_url}/p/session/{token}",
        "_token": token,
        "_flow_done": False,
    }
    tx.add(session)
    emit(tx, "billing_portal.session.created", session)
    return session


FLOWS = ("payment_method_update", "subscription_cancel")


def _flow(tx: Tx, customer: Object, given: Object) -> Object:
    """One errand instead of the whole portal, and where it ends."""
    kind = given["type"]
    if kind not in FLOWS:
        raise invalid(f"{kind} is not spoken by this stand-in.", "flow_data[type]")
    after = given.get("after_completion") or {"type": "portal_homepage"}
    if after["type"] == "redirect" and not (after.get("redirect") or {}).get("return_url"):
        missing = "flow_data[after_completion][redirect]"
        raise invalid(f"Missing required param: {missing}.", missing, "parameter_missing")
    cancel = _to_cancel(tx, customer, given) if kind == "subscription_cancel" else None
    return {
        "after_completion": {
            "hosted_confirmation": after.get("hosted_confirmation"),
            "redirect": after.get("redirect"),
            "type": after["type"],
        },
        "customer_update": None,
        "subscription_cancel": cancel,
        "subscription_update": None,
        "subscription_update_confirm": None,
        "type": kind,
    }


def _to_cancel(tx: Tx, customer: Object, given: Object) -> Object:
    param = "flow_data[subscription_cancel][subscription]"
    wanted = (given.get("subscription_cancel") or {}).get("subscription", "")
    sub = tx.get("subscription", wanted, param=param)
    if sub["customer"] != customer["id"] or sub["status"] in ("canceled", "incomplete_expired"):
        raise invalid("The subscription is not one of this customer that could be canceled.", param)
    return {"retention": None, "subscription": sub["id"]}
