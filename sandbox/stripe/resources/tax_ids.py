"""Customers' tax ids."""

from sandbox.stripe.engine.tax_ids import add
from sandbox.stripe.errors import missing
from sandbox.stripe.events import emit
from sandbox.stripe.params import Params
from sandbox.stripe.resources.common import deleted
from sandbox.stripe.resources.customers import live_customer
from sandbox.stripe.routing import page, route
from sandbox.stripe.store import Object, Tx


@route("POST", "/v1/customers/<customer_id>/tax_ids", "CustomerTaxIdCreateParams")
def create(tx: Tx, params: Params, customer_id: str) -> Object:
    """Its form is checked; whether it is anybody's is made up (Stripe's values for tests)."""
    return add(tx, live_customer(tx, customer_id), params)


def _of(tx: Tx, customer_id: str, tax_id: str) -> Object:
    found = tx.get("tax_id", tax_id)
    if found["customer"] != customer_id:
        raise missing("tax_id", tax_id)
    return found


@route("GET", "/v1/customers/<customer_id>/tax_ids/<tax_id>", "CustomerTaxIdRetrieveParams")
def retrieve(tx: Tx, params: Params, customer_id: str, tax_id: str) -> Object:
    return _of(tx, customer_id, tax_id)


@route("GET", "/v1/tax_ids/<tax_id>", "TaxIdRetrieveParams")
def retrieve_any(tx: Tx, params: Params, tax_id: str) -> Object:
    return tx.get("tax_id", tax_id)


@route("GET", "/v1/customers/<customer_id>/tax_ids", "CustomerTaxIdListParams")
def list_(tx: Tx, params: Params, customer_id: str) -> Object:
    rows = tx.scan("tax_id", customer=live_customer(tx, customer_id)["id"])
    return page(tx, params, rows, f"/v1/customers/{customer_id}/tax_ids")


@route("DELETE", "/v1/customers/<customer_id>/tax_ids/<tax_id>", "CustomerTaxIdDeleteParams")
def delete(tx: Tx, params: Params, customer_id: str, tax_id: str) -> Object:
    found = _of(tx, customer_id, tax_id)
    emit(tx, "customer.tax_id.deleted", found)
    tx.remove("tax_id", tax_id)
    return deleted(found)
