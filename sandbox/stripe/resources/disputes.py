"""Disputes."""

from sandbox.stripe.engine import disputes
from sandbox.stripe.errors import invalid
from sandbox.stripe.events import emit_updated
from sandbox.stripe.params import Params
from sandbox.stripe.render import render, renders
from sandbox.stripe.resources.common import assign
from sandbox.stripe.routing import matching, page, route
from sandbox.stripe.store import Object, Tx


@renders("dispute")
def _dispute(tx: Tx, dispute: Object) -> Object:
    ids = dispute["balance_transactions"]
    rows = [render(tx, tx.get("balance_transaction", row_id)) for row_id in ids]
    return dispute | {"balance_transactions": rows}


@route("GET", "/v1/disputes/<dispute_id>", "DisputeRetrieveParams")
def retrieve(tx: Tx, params: Params, dispute_id: str) -> Object:
    return tx.get("dispute", dispute_id)


@route("GET", "/v1/disputes", "DisputeListParams")
def list_(tx: Tx, params: Params) -> Object:
    return page(tx, params, matching(tx.scan("dispute"), params), "/v1/disputes")


@route("POST", "/v1/disputes/<dispute_id>", "DisputeUpdateParams")
def update(tx: Tx, params: Params, dispute_id: str) -> Object:
    """Evidence is kept, and with `submit` (the default) handed in."""
    dispute = tx.get("dispute", dispute_id)
    assign(dispute, params)
    evidence = params.get("evidence") or {}
    for name in sorted(evidence):
        if name not in disputes.EVIDENCE:
            raise invalid(f"{name} is not spoken by this stand-in.", f"evidence[{name}]")
        dispute["evidence"][name] = evidence[name] or None
    if evidence and params.get("submit", True):
        disputes.answer(tx, dispute, str(evidence.get("uncategorized_text", "")))
    emit_updated(tx, "charge.dispute.updated", dispute)
    return dispute


@route("POST", "/v1/disputes/<dispute_id>/close", "DisputeCloseParams")
def close(tx: Tx, params: Params, dispute_id: str) -> Object:
    dispute = tx.get("dispute", dispute_id)
    disputes.close(tx, dispute)
    return dispute
