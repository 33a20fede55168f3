"""Stripe's search: `status:'active' AND metadata['plan']:'basic'`.

Stripe's index lags behind by up to a minute; here what was committed is found at once.
"""

import re
from collections.abc import Callable
from typing import Any

from sandbox.stripe.engine import invoicing
from sandbox.stripe.errors import InvalidParams
from sandbox.stripe.params import Params
from sandbox.stripe.routing import route
from sandbox.stripe.store import Object, Tx

TERM = re.compile(
    r"""\s*(?P<minus>-)?(?P<field>[a-z_.]+)(?:\[(?P<quote>['"])(?P<key>.*?)(?P=quote)\])?"""
    r"""(?P<op>:|~|>=|<=|>|<)(?P<value>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|-?[0-9]+|null|true|false)\s*""",
)
JOINT = re.compile(r"(AND|OR)\b|(?=-?[a-z])")
MAX_TERMS = 10

Test = Callable[[Object], bool]

# The fields that can be searched for, and where it is not the field of that name, what they are.
FIELDS: dict[str, set[str]] = {
    "customer": {"created", "email", "metadata", "name", "phone"},
    "subscription": {"canceled_at", "created", "metadata", "status"},
    "invoice": {"created", "currency", "customer", "metadata", "number", "status", "subscription", "total"},
    "payment_intent": {"amount", "created", "currency", "customer", "metadata", "status"},
    "charge": {"amount", "created", "currency", "customer", "metadata", "refunded", "status"},
    "price": {"active", "currency", "lookup_key", "metadata", "product", "type"},
    "product": {"active", "description", "metadata", "name", "shippable", "url"},
}


def parse(kind: str, query: str) -> Test:
    """The test that a query describes. Raises InvalidParams for what cannot be read, or not be searched for."""
    tests: list[Test] = []
    joints: set[str] = set()
    position = 0
    while True:
        term = TERM.match(query, position)
        if term is None:
            raise InvalidParams(f"We were unable to parse your search query: `{query}`.", param="query")
        tests.append(_test(kind, term))
        position = term.end()
        if position == len(query):
            break
        joint = JOINT.match(query, position)
        if joint is None:
            raise InvalidParams(f"We were unable to parse your search query: `{query}`.", param="query")
        joints.add(joint[1] or "AND")
        position = joint.end()
    if len(joints) > 1 or len(tests) > MAX_TERMS:
        raise InvalidParams("Combine up to 10 clauses with AND, or with OR, not with both.", param="query")
    every = any if joints == {"OR"} else all
    return lambda obj: every(test(obj) for test in tests)


def _test(kind: str, term: re.Match[str]) -> Test:
    field, key, op = term["field"], term["key"], term["op"]
    if field not in FIELDS[kind] or (field == "metadata") != (key is not None):
        raise InvalidParams(
            f"Field `{field}` is an unsupported search field for this resource.", param="query"
        )
    wanted = _value(term["value"])
    negated = term["minus"] is not None

    def test(obj: Object) -> bool:
        found = (obj.get("metadata") or {}).get(key) if key is not None else _field(obj, field)
        return _compare(found, op, wanted) != negated

    return test


def _field(obj: Object, field: str) -> Any:
    if field == "subscription":
        return invoicing.subscription_id(obj)
    return obj.get(field)


def _value(text: str) -> Any:
    if text[0] in "'\"":
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    if text in ("null", "true", "false"):
        return {"null": None, "true": True, "false": False}[text]
    return int(text)


def _compare(found: Any, op: str, wanted: Any) -> bool:
    if op == ":":
        same = isinstance(found, str) and isinstance(wanted, str)
        return found.lower() == wanted.lower() if same else _plain(found) == _plain(wanted)
    if found is None:
        return False
    if op == "~":
        return str(wanted).lower() in str(found).lower()
    tests: dict[str, Callable[[Any, Any], bool]] = {
        ">": lambda a, b: a > b,
        ">=": lambda a, b: a >= b,
        "<": lambda a, b: a < b,
        "<=": lambda a, b: a <= b,
    }
    return isinstance(found, int) and isinstance(wanted, int) and tests[op](found, wanted)


def _plain(value: Any) -> str | None:
    return None if value is None else str(value).lower()


def _register(kind: str, plural: str, params: str) -> None:
    url = f"/v1/{plural}/search"

    @route("GET", url, params)
    def search(tx: Tx, params: Params) -> Object:
        test = parse(kind, params["query"])
        rows = [obj for obj in tx.scan(kind) if not obj.get("deleted") and test(obj)][::-1]
        limit = max(1, min(params.get("limit", 10), 100))
        start = _start(params.get("page"))
        more = len(rows) > start + limit
        return {
            "object": "search_result",
            "data": rows[start : start + limit],
            "has_more": more,
            "next_page": str(start + limit) if more else None,
            "url": url,
        }


def _start(page: str | None) -> int:
    if page is None:
        return 0
    if not page.isdigit():
        raise InvalidParams(f"Invalid page: {page}", param="page")
    return int(page)


for _kind, _plural, _params in (
    ("customer", "customers", "CustomerSearchParams"),
    ("subscription", "subscriptions", "SubscriptionSearchParams"),
    ("invoice", "invoices", "InvoiceSearchParams"),
    ("payment_intent", "payment_intents", "PaymentIntentSearchParams"),
    ("charge", "charges", "ChargeSearchParams"),
    ("price", "prices", "PriceSearchParams"),
    ("product", "products", "ProductSearchParams"),
):
    _register(_kind, _plural, _params)
