"""Tax rates, as somebody set them by hand."""

from sandbox.stripe.errors import invalid
from sandbox.stripe.events import emit, emit_updated
from sandbox.stripe.params import Params
from sandbox.stripe.resources.common import assign
from sandbox.stripe.routing import matching, page, route
from sandbox.stripe.store import Object, Tx

PLAIN = ("active", "country", "description", "display_name", "jurisdiction", "state", "tax_type")


@route("POST", "/v1/tax_rates", "TaxRateCreateParams")
def create(tx: Tx, params: Params) -> Object:
    percentage = params["percentage"]
    if not 0 <= percentage <= 100:
        raise invalid("The percentage must be between 0 and 100.", "percentage")
    rate: Object = {
        "id": tx.ids.new("txr"),
        "object": "tax_rate",
        "active": True,
        "country": None,
        "created": tx.now,
        "description": None,
        "display_name": params["display_name"],
        "effective_percentage": percentage,
        "flat_amount": None,
        "inclusive": params["inclusive"],
        "jurisdiction": None,
        "jurisdiction_level": None,
        "livemode": False,
        "metadata": {},
        "percentage": percentage,
        "rate_type": "percentage",
        "state": None,
        "tax_type": None,
    }
    assign(rate, params, *PLAIN)
    tx.add(rate)
    emit(tx, "tax_rate.created", rate)
    return rate


@route("GET", "/v1/tax_rates/<rate_id>", "TaxRateRetrieveParams")
def retrieve(tx: Tx, params: Params, rate_id: str) -> Object:
    return tx.get("tax_rate", rate_id)


@route("POST", "/v1/tax_rates/<rate_id>", "TaxRateUpdateParams")
def update(tx: Tx, params: Params, rate_id: str) -> Object:
    """What it comes to cannot be changed: another rate is another object."""
    rate = tx.get("tax_rate", rate_id)
    assign(rate, params, *PLAIN)
    emit_updated(tx, "tax_rate.updated", rate)
    return rate


@route("GET", "/v1/tax_rates", "TaxRateListParams")
def list_(tx: Tx, params: Params) -> Object:
    return page(tx, params, matching(tx.scan("tax_rate"), params), "/v1/tax_rates")
