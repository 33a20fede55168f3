"""From the SDK's objects to ours. Knows the shapes of the pinned API version, and nothing else does."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from billing.gateways.values import (
    AddressState,
    ChargeState,
    CheckoutState,
    CreditNoteState,
    CustomerState,
    DisputeState,
    IntentState,
    InvoiceLine,
    InvoiceState,
    PayerIntent,
    PaymentMethodState,
    PhaseState,
    PriceState,
    PromotionState,
    RefundState,
    ScheduleState,
    SubscriptionState,
    TaxIdState,
)
from billing.rules.discounts import Discount
from billing.rules.next_invoice import TaxRate

CHANGE_KEY = "palier_plan_change"
ACCOUNT_KEY = "palier_account"
PLAN_KEY = "palier_plan"
REFUND_KEY = "palier_refund"
UNPAID_COMMENT = "palier: unpaid"
"""What we write into a subscription that we end because it was not paid."""


def instant(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def seconds(moment: datetime) -> int:
    """Stripe counts whole seconds."""
    return int(moment.timestamp())


def id_of(value: Any) -> str | None:
    """The id, whether the field is expanded or not."""
    if value is None or isinstance(value, str):
        return value or None
    return str(value["id"])


def meta(value: Any, key: str) -> str | None:
    metadata = value.get("metadata") or {}
    return metadata.get(key) or None


def invoice(data: dict[str, Any]) -> InvoiceState:
    transitions = data.get("status_transitions") or {}
    parent = (data.get("parent") or {}).get("subscription_details") or {}
    return InvoiceState(
        id=data.get("id") or "",
        number=data.get("number"),
        status=data.get("status"),
        customer_id=id_of(data.get("customer")),
        subscription_id=id_of(parent.get("subscription")),
        currency=data["currency"],
        total_minor=data["total"],
        amount_due_minor=data["amount_due"],
        amount_paid_minor=data["amount_paid"],
        lines=tuple(_line(one) for one in data["lines"]["data"]),
        created_at=at(data["created"]),
        issued_at=instant(transitions.get("finalized_at")),
        paid_at=instant(transitions.get("paid_at")),
        pdf_url=data.get("invoice_pdf"),
        hosted_url=data.get("hosted_invoice_url"),
        amount_remaining_minor=data.get("amount_remaining") or 0,
        attempts=data.get("attempt_count") or 0,
        next_attempt_at=instant(data.get("next_payment_attempt")),
        due_at=instant(data.get("due_date")),
        client_secret=(data.get("confirmation_secret") or {}).get("client_secret"),
        subtotal_minor=data.get("subtotal") or 0,
        tax_minor=sum(one["amount"] for one in data.get("total_taxes") or ()),
        credited_minor=(data.get("pre_payment_credit_notes_amount") or 0)
        + (data.get("post_payment_credit_notes_amount") or 0),
        discount_minor=sum(one["amount"] for one in data.get("total_discount_amounts") or ()),
        discounts=_discounts(data),
        starting_balance_minor=data.get("starting_balance") or 0,
        tax_rates=_tax_rates(data),
    )


def _tax_rates(data: dict[str, Any]) -> tuple[TaxRate, ...]:
    """None for a customer who is not taxed."""
    if data.get("customer_tax_exempt") in ("exempt", "reverse"):
        return ()
    rates = data.get("default_tax_rates") or ()
    return tuple(TaxRate(Decimal(str(one["percentage"])), bool(one["inclusive"])) for one in rates)


def _discounts(data: dict[str, Any]) -> tuple[Discount, ...]:
    """Of an invoice that shows its discounts with their coupons."""
    taken = {id_of(one["discount"]): one["amount"] for one in data.get("total_discount_amounts") or ()}
    shown = [one for one in data.get("discounts") or () if isinstance(one, dict)]
    return tuple(_discount(one, taken.get(one["id"], 0)) for one in shown)


def _discount(data: dict[str, Any], taken_minor: int) -> Discount:
    coupon = data["source"]["coupon"]
    return Discount(
        percent_off=coupon["percent_off"],
        amount_off_minor=coupon["amount_off"],
        once=coupon["duration"] == "once",
        ends_at=instant(data.get("end")) if coupon["duration"] == "repeating" else None,
        taken_minor=taken_minor,
        products=tuple((coupon.get("applies_to") or {}).get("products") or ()),
    )


def credit_note(data: dict[str, Any]) -> CreditNoteState:
    refunds = data.get("refunds") or ()
    refunded = sum(one.get("amount_refunded") or 0 for one in refunds)
    after_payment = data.get("post_payment_amount") or 0
    return CreditNoteState(
        id=data["id"],
        number=data["number"],
        invoice_id=str(id_of(data["invoice"])),
        status=data["status"],
        reason=data.get("reason"),
        currency=data["currency"],
        total_minor=data["total"],
        refunded_minor=refunded,
        to_balance_minor=max(after_payment - refunded - (data.get("out_of_band_amount") or 0), 0),
        refund_ids=tuple(str(id_of(one["refund"])) for one in refunds if one.get("refund")),
        refund_ref=meta(data, REFUND_KEY),
        created_at=at(data["created"]),
        pdf_url=data.get("pdf"),
    )


def refund(data: dict[str, Any]) -> RefundState:
    return RefundState(
        id=data["id"],
        status=data.get("status") or "pending",
        amount_minor=data["amount"],
        currency=data["currency"],
        created_at=at(data["created"]),
    )


def _line(data: dict[str, Any]) -> InvoiceLine:
    period = data.get("period") or {}
    pricing = (data.get("pricing") or {}).get("price_details") or {}
    return InvoiceLine(
        description=data.get("description") or "",
        amount_minor=data["amount"],
        period_start=instant(period.get("start")),
        period_end=instant(period.get("end")),
        price_id=id_of(pricing.get("price")),
        waited=_waited(data.get("parent") or {}),
    )


def _waited(parent: dict[str, Any]) -> bool:
    details = parent.get("subscription_item_details") or parent.get("invoice_item_details") or {}
    return bool(details.get("invoice_item"))


def subscription(data: dict[str, Any]) -> SubscriptionState:
    """The period is the item's: the subscription itself has none since 2025."""
    (item,) = data["items"]["data"]
    latest = data.get("latest_invoice")
    pending = data.get("pending_update") or {}
    return SubscriptionState(
        id=data["id"],
        customer_id=str(id_of(data["customer"])),
        status=data["status"],
        item_id=item["id"],
        price_id=str(id_of(item["price"])),
        anchor_at=at(data["billing_cycle_anchor"]),
        period_start=at(item["current_period_start"]),
        period_end=at(item["current_period_end"]),
        trial_end=instant(data.get("trial_end")),
        cancel_at=instant(data.get("cancel_at")),
        ended_at=instant(data.get("ended_at")),
        schedule_id=id_of(data.get("schedule")),
        change_id=meta(data, CHANGE_KEY),
        latest_invoice_id=id_of(latest),
        latest_invoice=invoice(latest) if isinstance(latest, dict) else None,
        created_at=at(data["created"]),
        pending_price_id=_pending_price(pending),
        pending_expires_at=instant(pending.get("expires_at")),
        default_payment_method_id=id_of(data.get("default_payment_method")),
        discount_ids=tuple(str(id_of(one)) for one in data.get("discounts") or ()),
        ended_unpaid=_ended_unpaid(data.get("cancellation_details") or {}),
    )


def _ended_unpaid(details: dict[str, Any]) -> bool:
    return details.get("reason") == "payment_failed" or details.get("comment") == UNPAID_COMMENT


def _pending_price(pending: dict[str, Any]) -> str | None:
    """The price that a pending update brings; of ours each has one item."""
    items = pending.get("subscription_items") or ()
    return id_of(items[0]["price"]) if items else None


def schedule(data: dict[str, Any]) -> ScheduleState:
    return ScheduleState(
        id=data["id"],
        status=data["status"],
        subscription_id=id_of(data.get("subscription")),
        change_id=meta(data, CHANGE_KEY),
        phases=tuple(
            PhaseState(
                str(id_of(one["items"][0]["price"])),
                at(one["start_date"]),
                at(one["end_date"]),
                tuple(str(id_of(rate)) for rate in one.get("default_tax_rates") or ()),
                instant(one.get("trial_end")),
            )
            for one in data["phases"]
        ),
    )


def payment_method(data: dict[str, Any]) -> PaymentMethodState:
    card = data.get("card") or {}
    return PaymentMethodState(
        id=data["id"],
        customer_id=id_of(data.get("customer")),
        kind=data["type"],
        brand=card.get("brand"),
        last4=card.get("last4"),
        exp_month=card.get("exp_month"),
        exp_year=card.get("exp_year"),
    )


def intent(data: dict[str, Any]) -> IntentState:
    error = data.get("last_payment_error") or {}
    method = error.get("payment_method") or data.get("payment_method")
    card = (method.get("card") or {}) if isinstance(method, dict) else {}
    return IntentState(
        id=data["id"],
        customer_id=id_of(data.get("customer")),
        status=data["status"],
        amount_minor=data["amount"],
        currency=data["currency"],
        created_at=at(data["created"]),
        reason_code=error.get("decline_code") or error.get("code") or "",
        has_charge_error=bool(error.get("charge")),
        card_brand=card.get("brand") or "",
        card_last4=card.get("last4") or "",
    )


def charge(data: dict[str, Any]) -> ChargeState:
    card = (data.get("payment_method_details") or {}).get("card") or {}
    outcome = data.get("outcome") or {}
    failed = data["status"] == "failed"
    reason = outcome.get("reason") or data.get("failure_code") or "card_declined"
    return ChargeState(
        id=data["id"],
        status=data["status"],
        amount_minor=data["amount"],
        refunded_minor=data.get("amount_refunded") or 0,
        currency=data["currency"],
        created_at=at(data["created"]),
        reason_code=reason if failed else "",
        card_brand=card.get("brand") or "",
        card_last4=card.get("last4") or "",
        customer_id=id_of(data.get("customer")),
    )


def dispute(data: dict[str, Any]) -> DisputeState:
    return DisputeState(
        id=data["id"],
        charge_id=str(id_of(data["charge"])),
        intent_id=id_of(data.get("payment_intent")),
        amount_minor=data["amount"],
        currency=data["currency"],
        reason=data["reason"],
        status=data["status"],
        answer_by=instant((data.get("evidence_details") or {}).get("due_by")),
        created_at=at(data["created"]),
    )


def customer(data: dict[str, Any]) -> CustomerState:
    settings = data.get("invoice_settings") or {}
    return CustomerState(
        id=data["id"],
        default_payment_method_id=id_of(settings.get("default_payment_method")),
        balance_minor=data.get("balance") or 0,
        deleted=bool(data.get("deleted")),
        name=data.get("name") or "",
        email=data.get("email") or "",
        address=_address(data["address"]) if data.get("address") else None,
    )


def _address(data: dict[str, Any]) -> AddressState:
    names = ("line1", "line2", "postal_code", "city", "state", "country")
    return AddressState(**{name: data.get(name) or "" for name in names})


def tax_id(data: dict[str, Any]) -> TaxIdState:
    verification = data.get("verification") or {}
    return TaxIdState(data["id"], data["type"], data["value"], verification.get("status"))


def payer_intent(data: dict[str, Any]) -> PayerIntent:
    """A payment intent or a setup intent."""
    error = data.get("last_payment_error") or data.get("last_setup_error") or {}
    return PayerIntent(
        id=data["id"],
        status=data["status"],
        client_secret=data["client_secret"],
        customer_id=id_of(data.get("customer")),
        payment_method_id=id_of(data.get("payment_method")),
        error_code=error.get("decline_code") or error.get("code"),
    )


def checkout(data: dict[str, Any]) -> CheckoutState:
    return CheckoutState(
        id=data["id"],
        status=data["status"],
        url=data.get("url"),
        customer_id=id_of(data.get("customer")),
        subscription_id=id_of(data.get("subscription")),
        change_id=meta(data, CHANGE_KEY),
        expires_at=at(data["expires_at"]),
        setup_intent_id=id_of(data.get("setup_intent")),
    )


def promotion(data: dict[str, Any]) -> PromotionState:
    coupon = data["promotion"]["coupon"]
    return PromotionState(
        id=data["id"],
        code=data["code"],
        currency=coupon.get("currency"),
    )


def price(data: dict[str, Any]) -> PriceState:
    return PriceState(
        id=data["id"],
        lookup_key=data.get("lookup_key"),
        product_id=str(id_of(data["product"])),
        interval=(data.get("recurring") or {}).get("interval"),
        amount_minor=data.get("unit_amount"),
        currency=data["currency"],
        active=data["active"],
    )
