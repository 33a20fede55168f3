"""The catalogue at Stripe: products and prices."""

from collections.abc import Sequence

from billing.gateways import convert
from billing.gateways.client import PAGE, api, gateway_call, none_when_missing
from billing.gateways.values import (
    PriceSpec,
    PriceState,
)


class ProductGateway:
    """Products and prices."""

    @gateway_call
    @none_when_missing
    def product_find(self, plan_code: str) -> str:
        """The product's id. Products of ours have an id made from the plan's code."""
        return str(api().products.retrieve(product_id(plan_code)).id)

    @gateway_call
    def product_create(self, *, plan_code: str, name: str) -> str:
        params = {"id": product_id(plan_code), "name": name, "metadata": {convert.PLAN_KEY: plan_code}}
        return str(api().products.create(params).id)

    @gateway_call
    def product_rename(self, *, plan_code: str, name: str) -> None:
        api().products.update(product_id(plan_code), {"name": name})

    @gateway_call
    def prices_find(self, lookup_keys: Sequence[str]) -> dict[str, PriceState]:
        """By lookup key; Stripe takes ten keys at a time."""
        found: dict[str, PriceState] = {}
        for start in range(0, len(lookup_keys), 10):
            page = api().prices.list({"lookup_keys": list(lookup_keys[start : start + 10]), "limit": PAGE})
            for one in page.data:
                state = convert.price(one.to_dict())
                found[str(state.lookup_key)] = state
        return found

    @gateway_call
    def price_create(self, spec: PriceSpec) -> PriceState:
        params = {
            "product": spec.product_id,
            "currency": spec.currency,
            "unit_amount": spec.amount_minor,
            "recurring": {"interval": spec.interval},
            "lookup_key": spec.lookup_key,
            "metadata": {convert.PLAN_KEY: spec.plan, "palier_version": str(spec.version)},
        }
        return convert.price(api().prices.create(params).to_dict())


def product_id(plan_code: str) -> str:
    """Products of ours have an id made from the plan's code."""
    return f"palier_{plan_code}"
