"""Disputes: a payer asks the bank for the money back."""

from sandbox.stripe.engine import payments
from sandbox.stripe.errors import invalid
from sandbox.stripe.events import emit, emit_updated
from sandbox.stripe.rules import DAY_S
from sandbox.stripe.store import Object, Tx

FEE = 2000  # minor units, as Stripe's in Europe
ANSWER_S = 9 * DAY_S
OPEN = ("needs_response", "under_review")
EVIDENCE = (
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
)


def begin(tx: Tx, charge: Object, reason: str) -> Object:
    """The bank takes the money back, and a fee, until it has decided."""
    dispute: Object = {
        "id": tx.ids.new("du"),
        "object": "dispute",
        "amount": charge["amount"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": tx.now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": dict.fromkeys(EVIDENCE) | {"enhanced_evidence": {}},
        "evidence_details": {
            "due_by": tx.now + ANSWER_S,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "network_reason_code": None,
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "type": "card",
            "card": {
                "brand": charge["payment_method_details"]["card"]["brand"],
                "case_type": "chargeback",
                "network": charge["payment_method_details"]["card"]["brand"],
                "network_reason_code": "10.4",
            },
        },
        "reason": reason,
        "status": "needs_response",
    }
    tx.add(dispute)
    charge["disputed"] = True
    emit_updated(tx, "charge.updated", charge)
    emit(tx, "charge.dispute.created", dispute)
    _move(tx, dispute, -dispute["amount"], FEE)
    emit(tx, "charge.dispute.funds_withdrawn", dispute)
    return dispute


def _move(tx: Tx, dispute: Object, amount: int, fee: int) -> None:
    """What the dispute does to the account's balance."""
    source = {"id": dispute["id"], "amount": amount, "currency": dispute["currency"], "description": None}
    row = payments.balance_transaction(tx, source, kind="adjustment", fee=fee)
    row["reporting_category"] = "dispute" if amount < 0 else "dispute_reversal"
    dispute["balance_transactions"].append(row["id"])


def answer(tx: Tx, dispute: Object, text: str) -> None:
    """The seller's evidence was handed in. Stripe's texts for tests decide; any other text is under review."""
    _must_be_open(dispute)
    dispute["evidence_details"] |= {"has_evidence": True, "submission_count": 1}
    if text == "winning_evidence":
        dispute["status"] = "won"
        _move(tx, dispute, dispute["amount"], -FEE)
        emit(tx, "charge.dispute.funds_reinstated", dispute)
        emit(tx, "charge.dispute.closed", dispute)
    elif text == "losing_evidence":
        close(tx, dispute)
    else:
        dispute["status"] = "under_review"


def close(tx: Tx, dispute: Object) -> None:
    """The seller gives in."""
    _must_be_open(dispute)
    dispute["status"] = "lost"
    emit(tx, "charge.dispute.closed", dispute)


def _must_be_open(dispute: Object) -> None:
    if dispute["status"] not in OPEN:
        raise invalid(f"This dispute is {dispute['status']}.")
