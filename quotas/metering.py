"""One metered call: reserve before the work, settle after its success, release after its failure.

A process that dies in between leaves the reservation to expire. Work that outlives its reservation is counted anew,
and where there is no room left for it, the caller is refused: nothing is delivered uncounted.

With a `key` a call that runs again, because its process died or its answer was lost, is counted once: the reservation
and its settling are each found again. Where the first run gave its unit back, the second one takes it late.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from uuid import UUID

import structlog

from quotas.refusals import raise_for_refusal
from quotas.services import DEFAULT_TTL_S, usage_consume, usage_release, usage_reserve, usage_settle
from quotas.values import Bound, Decision, Refusal

logger = structlog.get_logger("quotas")


@dataclass(slots=True)
class Metering:
    """The call under way: `reserved` before the work, `settled` after it."""

    reserved: Decision
    subject: str = ""
    request_id: str = ""
    credential_id: int | None = None
    key: str | None = None
    settled: Decision | None = None
    succeeded: bool = True

    def fail(self) -> None:
        """The work did not succeed, though it raises nothing: count nothing."""
        self.succeeded = False

    @property
    def bound(self) -> Bound | None:
        """The tightest bound as it stands once this call is counted, by what its reservation found."""
        bound = self.reserved.deciding
        if bound is None:
            return None
        units = self.reserved.units
        return replace(bound, used=bound.used + units, reserved=max(bound.reserved - units, 0))

    def finish(self) -> None:
        """Settle after success, release after failure. Raises when finished work could not be counted."""
        decision, reservation_id = self.reserved, self.reserved.reservation_id
        assert reservation_id is not None, "an allowed reservation has an id"
        if not self.succeeded:
            self._release(reservation_id)
            return
        self.settled = usage_settle(
            account_id=decision.account_id,
            reservation_id=reservation_id,
            metric=decision.metric,
            key=self.key,
            request_id=self.request_id,
        )
        if self.settled.refusal == Refusal.RESERVATION_CLOSED:
            self.settled = self._count_late()

    def _release(self, reservation_id: UUID) -> None:
        """Give the units back, now or when the reservation expires.

        What failed in the work is what its caller has to hear: should the meter fail too, that is only logged.
        """
        try:
            usage_release(
                account_id=self.reserved.account_id,
                reservation_id=reservation_id,
                metric=self.reserved.metric,
                request_id=self.request_id,
            )
        except Exception as error:
            logger.exception(
                "meter_release_failed",
                error=type(error).__name__,
                account_id=self.reserved.account_id,
                metric=self.reserved.metric,
                reservation_id=str(reservation_id),
                request_id=self.request_id,
            )

    def _count_late(self) -> Decision:
        """The reservation expired while the work went on: its units are taken again, under a key of its own."""
        return raise_for_refusal(
            usage_consume(
                account_id=self.reserved.account_id,
                metric=self.reserved.metric,
                units=self.reserved.units,
                key=f"late-{self.reserved.reservation_id}",
                credential_id=self.credential_id,
                subject=self.subject,
                request_id=self.request_id,
            )
        )


@contextmanager
def metering(
    *,
    account_id: int,
    metric: str,
    units: int = 1,
    ttl_s: int = DEFAULT_TTL_S,
    credential_id: int | None = None,
    subject: str = "",
    request_id: str = "",
    key: str | None = None,
) -> Iterator[Metering]:
    """Around the work: raises the refusal before it, counts it when the block ends, counts nothing when it raises.

    `key`: as everywhere in the meter; the work itself has to be such that doing it twice does no harm.
    """
    call = Metering(
        reserved=raise_for_refusal(
            usage_reserve(
                account_id=account_id,
                metric=metric,
                units=units,
                ttl_s=ttl_s,
                key=key,
                credential_id=credential_id,
                subject=subject,
                request_id=request_id,
            )
        ),
        subject=subject,
        request_id=request_id,
        credential_id=credential_id,
        key=key,
    )
    try:
        yield call
    except BaseException:
        call.fail()
        call.finish()
        raise
    call.finish()
