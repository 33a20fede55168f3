"""Deciding a batch under lock, one operation after the other, on the state read. No I/O here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from common.errors import DomainError, IdempotencyKeyReused, ValidationError
from quotas import metrics, rules
from quotas.engine.rows import ClosedReservation, NewKey, NewRecord, NewReservation
from quotas.engine.state import ActiveBound, BatchState, LockedBucket, LockedReservation, StoredKey
from quotas.engine.stored import decision_from_json, decision_to_json
from quotas.enums import Mode, RecordKind, ReservationStatus, Window
from quotas.errors import InvalidQuotaState
from quotas.values import Bound, Decision, Kind, Operation, Refusal, Split

Outcome = Decision | DomainError


class Batch:
    """Decides the operations of one batch in order and gathers what has to be written for them."""

    def __init__(self, state: BatchState, record_ids: Sequence[int]) -> None:
        self.state = state
        self.records: list[NewRecord] = []
        self.reservations: list[NewReservation] = []
        self.closed: list[ClosedReservation] = []
        self.keys: list[NewKey] = []
        self._record_ids = iter(record_ids)
        self._decided: dict[tuple[int, UUID], tuple[Operation, Decision]] = {}
        self._deciders: dict[Kind, Callable[[Operation], Decision]] = {
            Kind.CONSUME: self._admit,
            Kind.RESERVE: self._admit,
            Kind.SETTLE: self._settle,
            Kind.RELEASE: self._release,
            Kind.GIVE_BACK: self._give_back,
        }

    def touched_buckets(self) -> list[LockedBucket]:
        """The buckets this batch changed."""
        return [bucket for bucket in self.state.buckets.values() if bucket.touched]

    def decide(self, operation: Operation) -> Outcome:
        """The decision, or the error to raise to this caller alone."""
        assert operation.key is not None, "the runner gives every operation a key"
        identity = (operation.account_id, operation.key)
        try:
            if identity in self._decided:
                first, decision = self._decided[identity]
                _check_same(first.fingerprint, operation)
                return replace(decision, replayed=True)
            if identity in self.state.keys:
                return self._replay(operation, self.state.keys[identity])
            decision = self._deciders[operation.kind](operation)
        except rules.InvalidCounterError as error:
            metrics.INCOHERENT.labels(operation.metric).inc()
            return InvalidQuotaState(details={"metric": operation.metric, "what": str(error)})
        except DomainError as error:
            return error
        self._decided[identity] = (operation, decision)
        if decision.allowed or operation.keep_decision:
            paid = (
                decision.split.credits or decision.split.overage
            )  # not to be told again from the units alone
            stored = decision_to_json(decision) if operation.keep_decision or paid else None
            self.keys.append(NewKey(operation, stored, decision.record_id))
        return decision

    # -- consume and reserve ---------------------------------------------------------------------------------

    def _admit(self, operation: Operation) -> Decision:
        pair = (operation.account_id, operation.metric_id)
        bounds = self.state.bounds.get(pair, [])
        if not bounds:
            entitled = operation.account_id in self.state.entitled
            return self._refuse(
                operation, Refusal.FEATURE_NOT_IN_PLAN if entitled else Refusal.NO_ACTIVE_SUBSCRIPTION
            )
        if any(bound.mode == Mode.CREDITS for bound in bounds):
            return self._admit_with_credits(operation, bounds)
        allows = rules.admit([bound.counter() for bound in bounds], operation.units)
        if not all(allows) and self._expire_overdue(pair):
            allows = rules.admit([bound.counter() for bound in bounds], operation.units)
        if not all(allows):
            shown = tuple(b.shown(operation.metric, allows=ok) for b, ok in zip(bounds, allows, strict=True))
            return self._refuse(operation, Refusal.QUOTA_EXCEEDED, shown)
        buckets = [_granted(bound) for bound in bounds]
        if operation.kind == Kind.RESERVE:
            return self._hold(operation, bounds, buckets, rules.Parts(operation.units, 0, 0), None)
        overage = rules.take([bucket.counter for bucket in buckets], operation.units)
        record = self._record(operation, RecordKind.CONSUME, units=operation.units, overage_units=overage)
        return self._allow(operation, bounds, record)

    def _admit_with_credits(self, operation: Operation, bounds: list[ActiveBound]) -> Decision:
        """Past their limits some of the bounds let credits pay; the others must allow all of it themselves."""
        self._expire_overdue((operation.account_id, operation.metric_id))
        allows = tuple(
            bound.mode == Mode.CREDITS or bound.counter().allows(operation.units) for bound in bounds
        )
        if not all(allows):
            shown = tuple(b.shown(operation.metric, allows=ok) for b, ok in zip(bounds, allows, strict=True))
            return self._refuse(operation, Refusal.QUOTA_EXCEEDED, shown)
        wallet = self.state.purses.wallets[operation.account_id]
        price = max(bound.credits_per_unit or 0 for bound in bounds)
        counters = [bound.counter() for bound in bounds]
        parts = rules.split(
            counters,
            operation.units,
            payable_units=wallet.payable(price),
            charged_units=operation.charged_units,
        )
        if parts.overage > operation.overage_units:
            shown = tuple(b.shown(operation.metric, allows=b.mode != Mode.CREDITS) for b in bounds)
            refusal = self._refuse(operation, Refusal.INSUFFICIENT_CREDITS, shown)
            needed = (operation.units - parts.allowance) * price
            return replace(refusal, credits_spendable=wallet.spendable, credits_needed=needed)
        buckets = [_granted(bound) for bound in bounds]
        if operation.kind == Kind.RESERVE:
            self.state.purses.spend(operation, parts.credits * price, reservation_id=operation.reservation_id)
            return self._hold(operation, bounds, buckets, parts, price)
        rules.take([bucket.counter for bucket in buckets], operation.units)
        record = self._record(
            operation,
            RecordKind.CONSUME,
            units=operation.units,
            credit_units=parts.credits,
            overage_units=parts.overage,
        )
        self.state.purses.spend(operation, parts.credits * price, record_id=record.id)
        if parts.overage:
            self.state.purses.overage(operation.key, operation, parts.overage, record_id=record.id)
        return self._allow(operation, bounds, record)

    def _hold(
        self,
        operation: Operation,
        bounds: list[ActiveBound],
        buckets: list[LockedBucket],
        parts: rules.Parts,
        price: int | None,
    ) -> Decision:
        rules.hold([bucket.counter for bucket in buckets], operation.units)
        self.reservations.append(NewReservation(operation, [bucket.id for bucket in buckets], parts, price))
        return Decision(
            account_id=operation.account_id,
            metric=operation.metric,
            units=operation.units,
            allowed=True,
            decided_at=self.state.at,
            split=Split(parts.allowance, parts.credits, parts.overage),
            reservation_id=operation.reservation_id,
            reservation_expires_at=self.state.at + timedelta(seconds=operation.ttl_s),
            lazy_bounds=_shown(bounds, operation.metric),
        )

    # -- settle, release, expire -------------------------------------------------------------------------------

    def _settle(self, operation: Operation) -> Decision:
        reservation = self._open_reservation(operation)
        if reservation is None:
            return self._refuse_closed(operation)
        units = reservation.units if operation.units < 0 else operation.units
        if units > reservation.units:
            raise ValidationError.of("units", "out_of_range", f"at most the {reservation.units} reserved")
        buckets = self._buckets_of(reservation)
        rules.let_go([bucket.counter for bucket in buckets], reservation.units)
        overage = rules.take([bucket.counter for bucket in buckets], units)
        parts = reservation.parts.first(units)
        if reservation.credits_per_unit is not None:
            overage = parts.overage
        record = (
            self._record(
                operation,
                RecordKind.SETTLE,
                units=units,
                credit_units=parts.credits,
                overage_units=overage,
                reservation=reservation,
            )
            if units
            else None
        )
        self._settle_credits(operation, reservation, parts, record)
        self._close(
            reservation, ReservationStatus.SETTLED, units, record.id if record else None, parts.credits
        )
        bounds = self.state.bounds.get((operation.account_id, reservation.metric_id), [])
        decision = self._allow(operation, bounds, record)
        return replace(decision, units=units, reservation_id=reservation.id)

    def _settle_credits(
        self,
        operation: Operation,
        reservation: LockedReservation,
        used: rules.Parts,
        record: NewRecord | None,
    ) -> None:
        """Credits held for what was not used come back; what was used past the credits is entered."""
        if reservation.credits_per_unit is None:
            return
        spared = (reservation.credit_units - used.credits) * reservation.credits_per_unit
        self.state.purses.give_back(reservation, spared, reservation_id=reservation.id)
        if used.overage and record is not None:
            of = {"record_id": record.id, "reservation_id": reservation.id}
            self.state.purses.overage(operation.key, reservation, used.overage, **of)

    def _release(self, operation: Operation) -> Decision:
        reservation = self._open_reservation(operation)
        if reservation is None:
            return self._refuse_closed(operation)
        self._let_go(reservation, ReservationStatus.RELEASED)
        decision = self._allow(
            operation, self.state.bounds.get((operation.account_id, reservation.metric_id), []), None
        )
        return replace(decision, units=0, split=Split(), reservation_id=reservation.id)

    def _open_reservation(self, operation: Operation) -> LockedReservation | None:
        """The caller's reservation if it still holds its units; one past its time is expired here and now."""
        reservation = (
            self.state.reservations.get(operation.reservation_id) if operation.reservation_id else None
        )
        if reservation is None or reservation.account_id != operation.account_id:
            return None
        if reservation.status != ReservationStatus.OPEN:
            return None
        if reservation.expires_at <= self.state.at:
            self._let_go(reservation, ReservationStatus.EXPIRED)
            return None
        return reservation

    def _refuse_closed(self, operation: Operation) -> Decision:
        known = self.state.reservations.get(operation.reservation_id) if operation.reservation_id else None
        own = known is not None and known.account_id == operation.account_id
        return self._refuse(operation, Refusal.RESERVATION_CLOSED if own else Refusal.RESERVATION_UNKNOWN)

    def _expire_overdue(self, pair: tuple[int, int]) -> bool:
        """Give back what reservations past their time still hold; whether there were any."""
        overdue = [r for r in self.state.overdue.pop(pair, []) if self._still_open(r)]
        for reservation in overdue:
            self._let_go(reservation, ReservationStatus.EXPIRED)
        return bool(overdue)

    def _still_open(self, reservation: LockedReservation) -> bool:
        return all(closed.id != reservation.id for closed in self.closed)

    def _let_go(self, reservation: LockedReservation, status: ReservationStatus) -> None:
        rules.let_go([bucket.counter for bucket in self._buckets_of(reservation)], reservation.units)
        if reservation.credits_per_unit is not None:
            held = reservation.credit_units * reservation.credits_per_unit
            self.state.purses.give_back(reservation, held, reservation_id=reservation.id)
        self._close(reservation, status, None, None, None)

    def _close(
        self,
        reservation: LockedReservation,
        status: ReservationStatus,
        units: int | None,
        record_id: int | None,
        credit_units: int | None,
    ) -> None:
        reservation.status = status
        self.closed.append(ClosedReservation(reservation.id, status, units, record_id, credit_units))

    def _buckets_of(self, reservation: LockedReservation) -> list[LockedBucket]:
        buckets = [self.state.buckets[bucket_id] for bucket_id in reservation.bucket_ids]
        for bucket in buckets:
            bucket.touched = True
        return buckets

    # -- give back -----------------------------------------------------------------------------------------------

    def _give_back(self, operation: Operation) -> Decision:
        buckets = [
            bucket
            for bucket in self.state.buckets.values()
            if (bucket.account_id, bucket.metric_id) == (operation.account_id, operation.metric_id)
            and bucket.window == Window.CAPACITY
        ]
        if not buckets:
            raise rules.InvalidCounterError("nothing was counted that could be given back")
        rules.give_back([bucket.counter for bucket in buckets], operation.units)
        for bucket in buckets:
            bucket.touched = True
        record = self._record(operation, RecordKind.GIVE_BACK, units=-operation.units, overage_units=0)
        bounds = self.state.bounds.get((operation.account_id, operation.metric_id), [])
        return replace(self._allow(operation, bounds, record), split=Split())

    # -- answers -------------------------------------------------------------------------------------------------

    def _record(
        self,
        operation: Operation,
        kind: RecordKind,
        *,
        units: int,
        overage_units: int,
        credit_units: int = 0,
        reservation: LockedReservation | None = None,
    ) -> NewRecord:
        """A record of the operation; a settled one belongs to the moment it was reserved."""
        origin = reservation or operation
        record = NewRecord(
            id=next(self._record_ids),
            operation=operation,
            kind=kind,
            metric_id=origin.metric_id,
            credential_id=origin.credential_id,
            units=units,
            credit_units=credit_units,
            overage_units=overage_units,
            subject=origin.subject,
            request_id=operation.request_id or origin.request_id,
            occurred_at=reservation.decided_at if reservation else self.state.at,
        )
        self.records.append(record)
        return record

    def _allow(self, operation: Operation, bounds: list[ActiveBound], record: NewRecord | None) -> Decision:
        units = record.units if record else 0
        paid, overage = (record.credit_units, record.overage_units) if record else (0, 0)
        return Decision(
            account_id=operation.account_id,
            metric=operation.metric,
            units=abs(units),
            allowed=True,
            decided_at=self.state.at,
            split=Split(allowance=abs(units) - paid - overage, credits=paid, overage=overage),
            record_id=record.id if record else None,
            lazy_bounds=_shown(bounds, operation.metric),
        )

    def _refuse(self, operation: Operation, refusal: Refusal, bounds: tuple[Bound, ...] = ()) -> Decision:
        return Decision(
            account_id=operation.account_id,
            metric=operation.metric,
            units=max(operation.units, 0),
            allowed=False,
            refusal=refusal,
            decided_at=self.state.at,
            reservation_id=operation.reservation_id if operation.kind != Kind.RESERVE else None,
            lazy_bounds=bounds,
        )

    def _replay(self, operation: Operation, stored: StoredKey) -> Decision:
        """The first decision under this key: as stored, or told from its having been accepted."""
        _check_same(stored.fingerprint, operation)
        if stored.decision is not None:
            return decision_from_json(stored.decision, account_id=operation.account_id)
        bounds = self.state.bounds.get((operation.account_id, operation.metric_id), [])
        units = max(operation.units, 0)
        return Decision(
            account_id=operation.account_id,
            metric=operation.metric,
            units=units,
            allowed=True,
            decided_at=self.state.at,
            split=Split(allowance=units),
            record_id=stored.record_id,
            reservation_id=operation.reservation_id,
            reservation_expires_at=self.state.at + timedelta(seconds=operation.ttl_s)
            if operation.ttl_s
            else None,
            replayed=True,
            lazy_bounds=_shown(bounds, operation.metric),
        )


def _check_same(first: UUID | None, operation: Operation) -> None:
    if first is not None and first != operation.fingerprint:
        raise IdempotencyKeyReused


def _granted(bound: ActiveBound) -> LockedBucket:
    """The bound's bucket, from now on under the limit in force."""
    assert bound.bucket is not None, "missing buckets are made before deciding"
    bucket = bound.bucket
    bucket.counter.limit, bucket.counter.mode = bound.limit, bound.mode
    bucket.touched = bucket.granted = True
    return bucket


def _shown(bounds: list[ActiveBound], metric: str) -> tuple[Bound, ...]:
    return tuple(bound.shown(metric) for bound in bounds)
