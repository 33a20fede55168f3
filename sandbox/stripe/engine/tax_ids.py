"""Customers' tax ids: their form, and who answers for them."""

import re

from sandbox.stripe.errors import invalid
from sandbox.stripe.events import emit, emit_updated
from sandbox.stripe.store import Object, Tx


def add(tx: Tx, customer: Object, params: Object) -> Object:
    _check_form(params["type"], params["value"])
    country = params["value"][:2].upper() if params["type"] == "eu_vat" else params["type"][:2].upper()
    tax_id: Object = {
        "id": tx.ids.new("txi"),
        "object": "tax_id",
        "country": country,
        "created": tx.now,
        "customer": customer["id"],
        "customer_account": None,
        "livemode": False,
        "owner": {"customer": customer["id"], "customer_account": None, "type": "customer"},
        "type": params["type"],
        "value": params["value"],
        "verification": {"status": "pending", "verified_address": None, "verified_name": None},
    }
    tx.add(tax_id)
    emit(tx, "customer.tax_id.created", tax_id)
    if tax_id["type"] in VERIFIED_TYPES and (status := _verified(tax_id["value"])):
        tax_id["verification"] |= {"status": status}
        if status == "verified":
            tax_id["verification"] |= {"verified_name": customer["name"]}
        emit_updated(tx, "customer.tax_id.updated", tax_id)
    return tax_id


EU = "AT BE BG CY CZ DE DK EE EL ES FI FR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK XI"
FORMS = {
    "eu_vat": re.compile(
        rf"(?!FR|DE)(?:{EU.replace(' ', '|')})[0-9A-Z+*]{{2,12}}|FR[0-9A-HJ-NP-Z]{{2}}[0-9]{{9}}|DE[0-9]{{9}}"
    ),
    "gb_vat": re.compile(r"GB([0-9]{9}|[0-9]{12})"),
    "ch_vat": re.compile(r"CHE-?[0-9]{3}\.?[0-9]{3}\.?[0-9]{3} ?(MWST|TVA|IVA)"),
    "no_vat": re.compile(r"[0-9]{9}MVA"),
    "us_ein": re.compile(r"[0-9]{2}-[0-9]{7}"),
}
VERIFIED_TYPES = {"eu_vat", "gb_vat"}


def _check_form(kind: str, value: str) -> None:
    form = FORMS.get(kind)
    if form is not None and not form.fullmatch(value.upper().replace(" ", "")):
        raise invalid(f"Invalid value for {kind}.", "value", "tax_id_invalid")


def _verified(value: str) -> str | None:
    """Numbers of zeros are somebody's, numbers of ones are nobody's; about others nobody has answered yet."""
    digits = set(re.sub(r"[^0-9]", "", value))
    return {"0": "verified", "1": "unverified"}.get("".join(digits)) if len(digits) == 1 else None
