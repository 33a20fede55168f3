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
        "flow": None,
        "livemode": False,
        "locale": params.get("locale"),
        "on_behalf_of": None,
        "return_url": params.get("return_url"),
        "url": f"{tx.base_url}/p/session/{token}",
        "_token": token,
    }
    tx.add(session)
    emit(tx, "billing_portal.session.created", session)
    return session
