"""What is agreed, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


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


class ContractState(StrEnum):
    COMING = "coming"
    RUNNING = "running"
    ENDED = "ended"


def state_of(*, starts_at: datetime, ends_at: datetime | None, at: datetime) -> ContractState:
    """Where a contract for [starts_at, ends_at) stands. One that was ended before it began has ended."""
    if ends_at is not None and (ends_at <= at or ends_at <= starts_at):
        return ContractState.ENDED
    return ContractState.COMING if starts_at > at else ContractState.RUNNING
