"""Invoices of their own at Stripe, outside of subscriptions: a draft, its items, its issue. Found again by our reference."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from billing.gateways import convert
from billing.gateways.client import PAGE, api, gateway_call, keyed
from billing.gateways.values import InvoiceState

PERIOD_KEY = "palier_contract_period"
LINE_KEY = "palier_contract_line"


class ManualInvoiceGateway:
    """Drafts that we fill and issue."""

    @gateway_call
    def manual_invoice_find(self, *, customer_id: str, since: datetime, ref: str) -> InvoiceState | None:
        """The invoice that was made for `ref` before, whose answer was lost."""
        params = {"customer": customer_id, "limit": PAGE, "created": {"gte": convert.seconds(since)}}
        for one in api().invoices.list(params).auto_paging_iter():
            data = one.to_dict()
            if convert.meta(data, PERIOD_KEY) == ref and data["status"] != "void":
                return convert.invoice(data)
        return None

    @gateway_call
    def manual_invoice_create(
        self, *, customer_id: str, currency: str, description: str, due_days: int | None, ref: str, key: str
    ) -> InvoiceState:
        """An empty draft. `due_days`: sent, to be paid within; None: charged to the card on file when issued."""
        params: dict[str, Any] = {
            "customer": customer_id,
            "currency": currency,
            "description": description,
            "auto_advance": False,
            "pending_invoice_items_behavior": "exclude",
            "collection_method": "charge_automatically" if due_days is None else "send_invoice",
            "metadata": {PERIOD_KEY: ref},
        }
        if due_days is not None:
            params["days_until_due"] = due_days
        return convert.invoice(api().invoices.create(params, keyed(key)).to_dict())

    @gateway_call
    def manual_invoice_items(self, *, invoice_id: str) -> dict[str, str]:
        """The items that are on the invoice: each one's id, by our reference of its line."""
        page = api().invoice_items.list({"invoice": invoice_id, "limit": PAGE})
        found = (one.to_dict() for one in page.auto_paging_iter())
        return {ref: str(item["id"]) for item in found if (ref := convert.meta(item, LINE_KEY))}

    @gateway_call
    def manual_invoice_item_add(
        self,
        *,
        customer_id: str,
        invoice_id: str,
        amount_minor: int,
        currency: str,
        description: str,
        period: tuple[datetime, datetime],
        ref: str,
        key: str,
    ) -> str:
        """Puts one line on the draft; the item's id."""
        params = {
            "customer": customer_id,
            "invoice": invoice_id,
            "amount": amount_minor,
            "currency": currency,
            "description": description,
            "discountable": False,
            "period": {"start": convert.seconds(period[0]), "end": convert.seconds(period[1])},
            "metadata": {LINE_KEY: ref},
        }
        return str(api().invoice_items.create(params, keyed(key)).id)

    @gateway_call
    def manual_invoice_issue(self, *, invoice_id: str, key: str) -> InvoiceState:
        """Finalizes a draft; from then on Stripe sends or charges it, and tries again. One that is issued is told as it is."""
        data = api().invoices.retrieve(invoice_id).to_dict()
        if data["status"] == "draft":
            answer = api().invoices.finalize_invoice(invoice_id, {"auto_advance": True}, keyed(key))
            data = answer.to_dict()
        return convert.invoice(data)
