"""The meter against a model of a few lines, over random histories of use, changes of limits and time."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from accounts.models import Account, AccountKind
from common import clock
from common.books import verify_all
from quotas import catalog
from quotas.engine.meter import meter
from quotas.selectors import quota_status
from quotas.services import (
    LimitSpec,
    MetricSpec,
    Phase,
    entitlements_replace,
    metrics_sync,
    reservations_expire,
    usage_consume,
    usage_release,
    usage_reserve,
    usage_settle,
)
from sandbox import databases

WINDOWS = {"hour": "%Y%m%d%H", "day": "%Y%m%d", "month": "%Y%m"}
LIMITS = st.dictionaries(st.sampled_from(sorted(WINDOWS)), st.integers(0, 12), min_size=1)
UNITS = st.integers(1, 4)


@dataclass
class Held:
    """A reservation as the model sees it."""

    id: object
    at: datetime
    units: int
    expires_at: datetime
    closed: bool = False


@dataclass
class Model:
    """What was used and is held, each at its instant; a window's figures are what falls into it."""

    limits: dict[str, int] = field(default_factory=dict)
    used: list[tuple[datetime, int]] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)

    def taken(self, window: str, now: datetime) -> int:
        key = lambda at: at.strftime(WINDOWS[window])  # noqa: E731
        used = sum(units for at, units in self.used if key(at) == key(now))
        held = sum(h.units for h in self.held if self.is_open(h, now) and key(h.at) == key(now))
        return used + held

    def is_open(self, held: Held, now: datetime) -> bool:
        return not held.closed and held.expires_at > now

    def allows(self, units: int, now: datetime) -> bool:
        return bool(self.limits) and all(
            self.taken(window, now) + units <= limit for window, limit in self.limits.items()
        )


class MeterMachine(RuleBasedStateMachine):
    """Each step is told to the meter and to the model; they must answer alike."""

    @initialize(limits=LIMITS)
    def start(self, limits):
        with connection.cursor() as cursor:
            cursor.execute(databases.CLEAN)
        catalog.forget()
        metrics_sync([MetricSpec("messages", "Messages", "Messages")])
        self.model = Model()
        self.seconds = 0
        self.keyed: dict[str, tuple[int, bool]] = {}
        self.account = Account.objects.create(kind=AccountKind.ORGANISATION, name="model")
        self.give(limits)

    def give(self, limits):
        now = clock.database_now()
        specs = tuple(LimitSpec("messages", window, limit) for window, limit in limits.items())
        entitlements_replace(
            account_id=self.account.id,
            source="default",
            source_ref="model",
            timeline=[Phase(now, None, specs)],
            now=now,
        )
        self.model.limits = limits

    @rule(limits=LIMITS)
    def change_limits(self, limits):
        self.give(limits)

    @rule(units=UNITS)
    def consume(self, units):
        decision = usage_consume(account_id=self.account.id, metric="messages", units=units)
        assert decision.allowed == self.model.allows(units, decision.decided_at)
        if decision.allowed:
            self.model.used.append((decision.decided_at, units))

    @rule(units=UNITS, key=st.sampled_from("abc"))
    def consume_with_a_key(self, units, key):
        if key in self.keyed:
            units, allowed = self.keyed[key]
            again = usage_consume(account_id=self.account.id, metric="messages", units=units, key=key)
            assert again.replayed
            assert again.allowed == allowed
            return
        decision = usage_consume(account_id=self.account.id, metric="messages", units=units, key=key)
        assert decision.allowed == self.model.allows(units, decision.decided_at)
        self.keyed[key] = (units, decision.allowed)
        if decision.allowed:
            self.model.used.append((decision.decided_at, units))

    @rule(units=UNITS, ttl_s=st.sampled_from([60, 3600]))
    def reserve(self, units, ttl_s):
        decision = usage_reserve(account_id=self.account.id, metric="messages", units=units, ttl_s=ttl_s)
        assert decision.allowed == self.model.allows(units, decision.decided_at)
        if decision.allowed:
            at = decision.decided_at
            self.model.held.append(Held(decision.reservation_id, at, units, at + timedelta(seconds=ttl_s)))

    @precondition(lambda self: self.model.held)
    @rule(data=st.data(), share=st.sampled_from([None, 0, 1]))
    def settle(self, data, share):
        held = data.draw(st.sampled_from(self.model.held))
        units = None if share is None else min(share, held.units)
        decision = usage_settle(
            account_id=self.account.id, reservation_id=held.id, metric="messages", units=units
        )
        assert decision.allowed == self.model.is_open(held, decision.decided_at)
        if decision.allowed:
            self.model.used.append((held.at, held.units if units is None else units))
        held.closed = True

    @precondition(lambda self: self.model.held)
    @rule(data=st.data())
    def release(self, data):
        held = data.draw(st.sampled_from(self.model.held))
        decision = usage_release(account_id=self.account.id, reservation_id=held.id, metric="messages")
        assert decision.allowed == self.model.is_open(held, decision.decided_at)
        held.closed = True

    @rule()
    def sweep(self):
        reservations_expire()

    @rule(seconds=st.sampled_from([61, 1800, 3601, 86_400, 86_400 * 20]))
    def time_passes(self, seconds):
        self.seconds += seconds
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO common_sandbox_clock (id, shift) VALUES (1, make_interval(secs => %s))"
                " ON CONFLICT (id) DO UPDATE SET shift = excluded.shift",
                (self.seconds,),
            )

    @invariant()
    def figures_agree(self):
        if not hasattr(self, "account"):
            return
        now = clock.database_now().astimezone(UTC)
        shown = {
            bound.window: bound.used + bound.reserved for bound in quota_status(account_id=self.account.id)
        }
        assert shown == {window: self.model.taken(window, now) for window in self.model.limits}
        assert all((bound.remaining or 0) >= 0 for bound in quota_status(account_id=self.account.id))

    def teardown(self):
        assert verify_all() == []


@pytest.mark.slow
@pytest.mark.req("QU-1", "QU-2", "QU-3", "QU-5", "QU-7", "PC-4")
def test_the_meter_does_what_the_model_does(committed_db):
    run_state_machine_as_test(
        MeterMachine,
        settings=settings(
            max_examples=40,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    meter.close()
