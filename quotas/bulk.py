"""Many consumptions at once, in order, in as few transactions as can be. One that is refused stops none of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from common.errors import DomainError
from quotas import metrics
from quotas.engine.meter import meter
from quotas.refused import refusal_keep
from quotas.services import _operation
from quotas.values import Decision, Kind, Operation

Outcome = Decision | DomainError


@dataclass(frozen=True, slots=True)
class Consumption:
    """One of many: as `usage_consume` takes them, each with its own key."""

    metric: str
    units: int
    key: str
    subject: str = ""


def usage_consume_all(
    *, account_id: int, operations: Sequence[Consumption], credential_id: int | None, request_id: str
) -> list[Outcome]:
    """A decision, or the error that concerns it alone, for each, in order. Allowed ones are committed on return."""
    asked = [_asked(account_id, one, credential_id, request_id) for one in operations]
    valid = [one for one in asked if isinstance(one, Operation)]
    decided = iter(meter.submit_all(valid))
    outcomes: list[Outcome] = []
    for one in asked:
        outcome = next(decided) if isinstance(one, Operation) else one
        if isinstance(one, Operation) and isinstance(outcome, Decision):
            metrics.observe(one, outcome)
            refusal_keep(one, outcome)
        outcomes.append(outcome)
    return outcomes


def _asked(
    account_id: int, one: Consumption, credential_id: int | None, request_id: str
) -> Operation | DomainError:
    try:
        return _operation(
            Kind.CONSUME,
            account_id=account_id,
            metric=one.metric,
            units=one.units,
            key=one.key,
            credential_id=credential_id,
            subject=one.subject,
            request_id=request_id,
        )
    except DomainError as error:
        return error
