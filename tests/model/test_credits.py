"""Credits against a model of a few lines: grants, expiry, use, reservations and reversals in random order."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

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
from quotas.services import (
    LimitSpec,
    MetricSpec,
    Phase,
    entitlements_replace,
    grants_expire,
    metrics_sync,
    reservations_expire,
    usage_consume,
    usage_release,
    usage_reserve,
    usage_reverse,
    usage_settle,
    wallet_grant,
)
from quotas.wallet_selectors import wallet_status
from sandbox import databases

UNITS = st.integers(1, 9)


@dataclass
class Given:
    """A grant as the model sees it."""

    left: int
    expires_at: datetime | None

    def is_good(self, now):
        return self.expires_at is None or self.expires_at > now


@dataclass
class Paid:
    """What one operation took: free units, credits from which grants, units past them."""

    at: datetime
    free: int
    taken: list[tuple[Given, int]]
    past: int
    expires_at: datetime | None = None
    closed: bool = False

    @property
    def credits(self):
        return sum(units for _, units in self.taken)

    def give_back(self, credit_count):
        """The last taken first."""
        while credit_count:
            grant, units = self.taken.pop()
            back = min(units, credit_count)
            grant.left += back
            credit_count -= back
            if units > back:
                self.taken.append((grant, units - back))


@dataclass
class Model:
    """A day's free units and the grants, spent soonest-expiring first."""

    free: int
    grants: list[Given] = field(default_factory=list)
    used: list[Paid] = field(default_factory=list)
    held: list[Paid] = field(default_factory=list)

    def free_left(self, now):
        taken = sum(
            each.free + each.credits + each.past for each in self.used if each.at.date() == now.date()
        )
        for each in self.held:
            if not each.closed and each.at.date() == now.date():
                taken += each.free + each.credits + each.past
        return max(self.free - taken, 0)

    def spendable(self, now):
        return sum(grant.left for grant in self.grants if grant.is_good(now))

    def expire(self, now):
        for each in self.held:
            if not each.closed and each.expires_at <= now:
                self.release(each)

    def release(self, held):
        held.give_back(held.credits)
        held.closed = True

    def pay(self, units, vouched, now):
        """What it is paid with, or None when it is refused."""
        free = min(units, self.free_left(now))
        paid = min(units - free, self.spendable(now))
        past = units - free - paid
        if past > vouched:
            return None
        taken = []
        for grant in sorted(self.grants, key=lambda g: (g.expires_at is None, g.expires_at)):
            share = min(grant.left, paid) if grant.is_good(now) else 0
            if share:
                grant.left -= share
                paid -= share
                taken.append((grant, share))
        return Paid(now, free, taken, past)


class CreditMachine(RuleBasedStateMachine):
    """Each step is told to the meter and to the model; they must answer alike."""

    @initialize(free=st.integers(0, 6))
    def start(self, free):
        with connection.cursor() as cursor:
            cursor.execute(databases.CLEAN)
        catalog.forget()
        metrics_sync([MetricSpec("generations", "Generations", "Générations")])
        self.model, self.seconds, self.number = Model(free), 0, 0
        self.account = Account.objects.create(kind=AccountKind.ORGANISATION, name="model")
        now = clock.database_now()
        limit = LimitSpec("generations", "day", free, "credits", credits_per_unit=1)
        entitlements_replace(
            account_id=self.account.id,
            source="default",
            source_ref="model",
            timeline=[Phase(now, None, (limit,))],
            now=now,
        )

    @rule(units=UNITS, hours=st.sampled_from([None, 1, 20, 50]))
    def grant(self, units, hours):
        self.number += 1
        now = clock.database_now()
        expires_at = None if hours is None else now + timedelta(hours=hours, seconds=self.number)
        for _ in range(2):
            wallet_grant(
                account_id=self.account.id,
                source="promotion",
                units=units,
                request_id=f"model:{self.number}",
                expires_at=expires_at,
                now=now,
            )
        self.model.grants.append(Given(units, expires_at))

    def compare(self, decision, units, vouched):
        now = decision.decided_at
        self.model.expire(now)
        expected = self.model.pay(units, vouched, now)
        assert decision.allowed == (expected is not None)
        if expected is not None:
            split = decision.split
            assert (split.allowance, split.credits, split.overage) == (
                expected.free,
                expected.credits,
                expected.past,
            )
        return expected

    @rule(units=UNITS, vouched=st.sampled_from([0, 0, 3]))
    def consume(self, units, vouched):
        decision = usage_consume(
            account_id=self.account.id, metric="generations", units=units, overage_units=vouched
        )
        paid = self.compare(decision, units, vouched)
        if paid is not None:
            paid.record_id = decision.record_id
            self.model.used.append(paid)

    @rule(units=UNITS, vouched=st.sampled_from([0, 0, 3]), ttl_s=st.sampled_from([60, 3600]))
    def reserve(self, units, vouched, ttl_s):
        decision = usage_reserve(
            account_id=self.account.id, metric="generations", units=units, overage_units=vouched, ttl_s=ttl_s
        )
        held = self.compare(decision, units, vouched)
        if held is not None:
            held.id, held.expires_at = decision.reservation_id, decision.reservation_expires_at
            self.model.held.append(held)

    @precondition(lambda self: self.model.held)
    @rule(data=st.data(), units=st.sampled_from([None, 0, 1, 4]))
    def settle(self, data, units):
        held = data.draw(st.sampled_from(self.model.held))
        total = held.free + held.credits + held.past
        units = total if units is None else min(units, total)
        decision = usage_settle(
            account_id=self.account.id, reservation_id=held.id, metric="generations", units=units
        )
        is_open = not held.closed and held.expires_at > decision.decided_at
        assert decision.allowed == is_open
        if is_open:
            held.closed = True
            free = min(units, held.free)
            paid = min(units - free, held.credits)
            held.give_back(held.credits - paid)
            if units:
                settled = Paid(held.at, free, list(held.taken), units - free - paid)
                settled.record_id = decision.record_id
                self.model.used.append(settled)
        elif not held.closed:
            self.model.release(held)

    @precondition(lambda self: self.model.held)
    @rule(data=st.data())
    def release(self, data):
        held = data.draw(st.sampled_from(self.model.held))
        usage_release(account_id=self.account.id, reservation_id=held.id, metric="generations")
        if not held.closed:
            self.model.release(held)

    @precondition(lambda self: self.model.used)
    @rule(data=st.data())
    def reverse(self, data):
        paid = data.draw(st.sampled_from(self.model.used))
        for _ in range(2):
            usage_reverse(
                account_id=self.account.id,
                record_id=paid.record_id,
                reason="model",
                now=clock.database_now(),
            )
        paid.give_back(paid.credits)
        self.model.used.remove(paid)

    @rule()
    def sweep(self):
        now = clock.database_now()
        grants_expire(now=now)
        reservations_expire()
        self.model.expire(now)

    @rule(seconds=st.sampled_from([61, 1800, 3601, 86_400]))
    def time_passes(self, seconds):
        self.seconds += seconds
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO common_sandbox_clock (id, shift) VALUES (1, make_interval(secs => %s))"
                " ON CONFLICT (id) DO UPDATE SET shift = excluded.shift",
                (self.seconds,),
            )

    @invariant()
    def balances_agree(self):
        if hasattr(self, "account"):
            now = clock.database_now()
            assert wallet_status(account_id=self.account.id, at=now).balance_units == self.model.spendable(
                now
            )

    def teardown(self):
        assert verify_all() == []


@pytest.mark.slow
@pytest.mark.req("CR-1", "CR-7", "QU-1", "QU-7")
def test_credits_do_what_the_model_does(committed_db):
    run_state_machine_as_test(
        CreditMachine,
        settings=settings(
            max_examples=40,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    meter.close()
