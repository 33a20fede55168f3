"""What is agreed, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class LimitTerms:
    """A limit as agreed; `limit_units` None is unlimited, `mode` block or overage.

    `overage_price`: minor units for each unit past the limit, fractions of a cent too.
    """

    metric: str
    window: str
    limit_units: int | None
    mode: str = "block"
    overage_price: Decimal | None = None
