"""Promotion codes at Stripe."""

from billing.gateways import convert
from billing.gateways.client import api, gateway_call
from billing.gateways.values import PromotionState


class PromotionGateway:
    """What a code that somebody typed takes off."""

    @gateway_call
    def promotion_find(self, code: str) -> tuple[PromotionState | None, bool]:
        """The code in any spelling, and whether it can be used now; None when there is none."""
        page = api().promotion_codes.list({"code": code, "limit": 10, "expand": ["data.promotion.coupon"]})
        found = [one.to_dict() for one in page.data]
        found.sort(key=lambda one: not one["active"])
        if not found:
            return None, False
        data = found[0]
        return convert.promotion(data), bool(data["active"] and data["promotion"]["coupon"]["valid"])
