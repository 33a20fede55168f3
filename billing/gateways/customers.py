"""Customers and their cards at Stripe."""

from dataclasses import asdict
from typing import Any

from billing.gateways import convert
from billing.gateways.client import PAGE, api, gateway_call, keyed, none_when_missing, takes_input
from billing.gateways.values import AddressState, CustomerState, PaymentMethodState, TaxIdState


class CustomerGateway:
    """Customers and their cards."""

    @gateway_call
    def customer_find(self, *, email: str, account_ref: str) -> CustomerState | None:
        """The customer made for this account before, whose id was lost in a crash."""
        page = api().customers.list({"email": email, "limit": PAGE})
        for one in page.auto_paging_iter():
            data = one.to_dict()
            if convert.meta(data, convert.ACCOUNT_KEY) == account_ref:
                return convert.customer(data)
        return None

    @gateway_call
    def customer_create(self, *, email: str, name: str, account_ref: str, key: str) -> CustomerState:
        params = {"email": email, "name": name, "metadata": {convert.ACCOUNT_KEY: account_ref}}
        return convert.customer(api().customers.create(params, keyed(key)).to_dict())

    @gateway_call
    def customer_get(self, customer_id: str) -> CustomerState:
        return convert.customer(api().customers.retrieve(customer_id).to_dict())

    @gateway_call
    @none_when_missing
    def customer_find_by_id(self, customer_id: str) -> CustomerState:
        """None for one that never was; one that was deleted says so."""
        return convert.customer(api().customers.retrieve(customer_id).to_dict())

    @gateway_call
    def customer_email_set(self, *, customer_id: str, email: str) -> CustomerState:
        """Where Stripe's invoices go."""
        return convert.customer(api().customers.update(customer_id, {"email": email}).to_dict())

    @gateway_call
    @none_when_missing
    def customer_delete(self, customer_id: str) -> None:
        """Removes the customer and its cards; its invoices stay. Gone already: nothing."""
        api().customers.delete(customer_id)

    @gateway_call
    def default_payment_method_set(self, *, customer_id: str, payment_method_id: str | None) -> CustomerState:
        params = {"invoice_settings": {"default_payment_method": payment_method_id or ""}}
        return convert.customer(api().customers.update(customer_id, params).to_dict())

    @gateway_call
    def payment_methods(self, customer_id: str) -> list[PaymentMethodState]:
        page = api().customers.payment_methods.list(customer_id, {"limit": PAGE})
        return [convert.payment_method(one.to_dict()) for one in page.data]

    @gateway_call
    @takes_input("payment_method")
    def payment_method_attach(self, *, payment_method_id: str, customer_id: str) -> PaymentMethodState:
        """Raises PaymentFailed when the card is refused, ProviderRefused when there is no such method."""
        answer = api().payment_methods.attach(payment_method_id, {"customer": customer_id})
        return convert.payment_method(answer.to_dict())

    @gateway_call
    def payment_method_detach(self, payment_method_id: str) -> None:
        api().payment_methods.detach(payment_method_id)

    # What stands on invoices

    @gateway_call
    @takes_input("name", "email", "address")
    def customer_details_set(
        self, *, customer_id: str, name: str, email: str, address: AddressState | None
    ) -> CustomerState:
        """Replaces all of it; the same twice is the same. Stripe takes no empty part of an address, only none at all."""
        given = {part: value for part, value in asdict(address).items() if value} if address else ""
        params: Any = {"name": name, "email": email, "address": given}
        return convert.customer(api().customers.update(customer_id, params).to_dict())

    @gateway_call
    def tax_ids(self, customer_id: str) -> list[TaxIdState]:
        page = api().customers.tax_ids.list(customer_id, {"limit": PAGE})
        return [convert.tax_id(one.to_dict()) for one in page.data]

    @gateway_call
    @takes_input("kind", "value")
    def tax_id_add(self, *, customer_id: str, kind: str, value: str, key: str) -> TaxIdState:
        """ProviderRefused with `tax_id_invalid` when it cannot be one of that kind."""
        params = {"type": kind, "value": value}
        return convert.tax_id(api().customers.tax_ids.create(customer_id, params, keyed(key)).to_dict())

    @gateway_call
    @none_when_missing
    def tax_id_remove(self, *, customer_id: str, tax_id: str) -> None:
        """Removed already: nothing."""
        api().customers.tax_ids.delete(customer_id, tax_id)
