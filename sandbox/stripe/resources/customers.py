"""Customers and their balance."""

from sandbox.stripe.engine import clocks, invoicing, methods, subscriptions, tax_ids
from sandbox.stripe.errors import invalid
from sandbox.stripe.events import emit, emit_updated
from sandbox.stripe.params import Params
from sandbox.stripe.render import as_list, includes, render
from sandbox.stripe.resources import payment_methods
from sandbox.stripe.resources.common import address, assign, deleted, unset
from sandbox.stripe.routing import matching, page, route
from sandbox.stripe.store import Object, Tx

PLAIN = (
    "description",
    "email",
    "name",
    "phone",
    "tax_exempt",
    "invoice_prefix",
    "business_name",
    "individual_name",
)


def live_customer(tx: Tx, customer_id: str) -> Object:
    """The customer, unless deleted: then Stripe's 404."""
    customer = tx.get("customer", customer_id, param="customer")
    if customer.get("deleted"):
        raise invalid(f"No such customer: '{customer_id}'", "customer", "resource_missing")
    return customer


@route("POST", "/v1/customers", "CustomerCreateParams")
def create(tx: Tx, params: Params) -> Object:
    customer: Object = {
        "id": tx.ids.new("cus"),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": tx.now,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": tx.ids.token(8).upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
    if "test_clock" in params:
        customer["test_clock"] = tx.get(clocks.KIND, params["test_clock"], param="test_clock")["id"]
    tx.add(customer)
    if "payment_method" in params:
        methods.attach_to(tx, payment_methods.resolve(tx, params["payment_method"]), customer)
    _assign(tx, customer, params)
    emit(tx, "customer.created", customer)
    for given in params.get("tax_id_data") or []:
        tax_ids.add(tx, customer, given)
    return customer


def _assign(tx: Tx, customer: Object, params: Params) -> None:
    assign(customer, params, *PLAIN, "preferred_locales", "next_invoice_sequence")
    customer["tax_exempt"] = customer["tax_exempt"] or "none"
    if "address" in params:
        customer["address"] = address(params["address"])
    if "shipping" in params:
        shipping = params["shipping"]
        customer["shipping"] = (shipping and shipping | {"address": address(shipping["address"])}) or None
    if "balance" in params:
        _set_balance(tx, customer, params["balance"])
    if "invoice_settings" in params:
        _set_invoice_settings(tx, customer, params["invoice_settings"])


def _set_balance(tx: Tx, customer: Object, balance: int) -> None:
    change = balance - customer["balance"]
    customer["balance"] = balance
    if change:
        customer["currency"] = customer["currency"] or "eur"
        invoicing.add_balance_transaction(tx, customer, change, "adjustment")


def _set_invoice_settings(tx: Tx, customer: Object, given: Object) -> None:
    settings = customer["invoice_settings"]
    if method_id := given.get("default_payment_method"):
        method = payment_methods.of_customer(
            tx, method_id, customer["id"], "invoice_settings[default_payment_method]"
        )
        given = given | {"default_payment_method": method["id"]}
    for name in ("default_payment_method", "footer", "custom_fields", "rendering_options"):
        if name in given:
            settings[name] = unset(given[name])


@route("GET", "/v1/customers/<customer_id>", "CustomerRetrieveParams")
def retrieve(tx: Tx, params: Params, customer_id: str) -> Object:
    return tx.get("customer", customer_id)


@route("POST", "/v1/customers/<customer_id>", "CustomerUpdateParams")
def update(tx: Tx, params: Params, customer_id: str) -> Object:
    customer = live_customer(tx, customer_id)
    _assign(tx, customer, params)
    emit_updated(tx, "customer.updated", customer)
    return customer


@route("DELETE", "/v1/customers/<customer_id>", "CustomerDeleteParams")
def delete(tx: Tx, params: Params, customer_id: str) -> Object:
    customer = live_customer(tx, customer_id)
    for sub in tx.find("subscription", customer=customer_id):
        if sub["status"] in subscriptions.LIVE:
            subscriptions.end(tx, sub)
    for method in tx.find("payment_method", customer=customer_id):
        method["customer"] = None
    emit(tx, "customer.deleted", customer)
    return tx.add(deleted(customer))


@route("GET", "/v1/customers", "CustomerListParams")
def list_(tx: Tx, params: Params) -> Object:
    rows = [customer for customer in tx.scan("customer") if not customer.get("deleted")]
    return page(tx, params, matching(rows, params), "/v1/customers")


@route("GET", "/v1/customers/<customer_id>/payment_methods", "CustomerListPaymentMethodsParams")
def list_methods(tx: Tx, params: Params, customer_id: str) -> Object:
    rows = tx.scan("payment_method", customer=live_customer(tx, customer_id)["id"])
    return page(tx, params, matching(rows, params), f"/v1/customers/{customer_id}/payment_methods")


@route(
    "GET", "/v1/customers/<customer_id>/payment_methods/<method_id>", "CustomerRetrievePaymentMethodParams"
)
def retrieve_method(tx: Tx, params: Params, customer_id: str, method_id: str) -> Object:
    return payment_methods.of_customer(tx, method_id, customer_id, "payment_method")


@route("GET", "/v1/customers/<customer_id>/balance_transactions", "CustomerListBalanceTransactionsParams")
def list_balance(tx: Tx, params: Params, customer_id: str) -> Object:
    rows = tx.scan("customer_balance_transaction", customer=tx.get("customer", customer_id)["id"])
    return page(tx, params, matching(rows, params), f"/v1/customers/{customer_id}/balance_transactions")


@route("POST", "/v1/customers/<customer_id>/balance_transactions", "CustomerCreateBalanceTransactionParams")
def create_balance(tx: Tx, params: Params, customer_id: str) -> Object:
    customer = live_customer(tx, customer_id)
    if customer["currency"] not in (None, params["currency"]):
        raise invalid("The currency must be the customer's.", "currency")
    customer["currency"] = params["currency"]
    customer["balance"] += params["amount"]
    row = invoicing.add_balance_transaction(tx, customer, params["amount"], "adjustment")
    assign(row, params, "description")
    emit_updated(tx, "customer.updated", customer)
    return row


@includes("customer", "subscriptions")
def _subscriptions(tx: Tx, customer: Object) -> Object:
    rows = [
        sub for sub in tx.find("subscription", customer=customer["id"]) if sub["status"] in subscriptions.LIVE
    ]
    url = f"/v1/customers/{customer['id']}/subscriptions"
    return render(tx, as_list(rows[::-1], url))


@includes("customer", "sources")
def _sources(tx: Tx, customer: Object) -> Object:
    """Cards of the old kind are not spoken here: there never are any."""
    return as_list([], f"/v1/customers/{customer['id']}/sources")


@includes("customer", "tax_ids")
def _tax_ids(tx: Tx, customer: Object) -> Object:
    rows = tx.find("tax_id", customer=customer["id"])
    return render(tx, as_list(rows[::-1], f"/v1/customers/{customer['id']}/tax_ids"))
