"""A process that dies at any step of a generation: exactly one charge for work that is done, or none for none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from billing import services
from billing.gateways.stripe import gateway
from billing.models import OverageCharge
from billing.services import overage, overage_charges, overage_reversals
from billing.tests.helpers import forget_keys
from billing.tests.stores import items, moves
from common import broker
from common.clock import database_now
from quotas.services import reservations_expire
from quotas.tests.test_races import at_once
from showcase import generation_work, generations
from showcase.generations import State, generation_request
from showcase.models import Chart, Generation
from showcase.tests.generations import PROMPT, Broker, paid, sweep, the_job, trader, untouched, use_broker

pytestmark = [pytest.mark.req("EN-7", "CR-6", "CR-7", "CR-8")]

ACCOUNTS_CREDITS = {"credits": 5, "overage": 0, "both": 1}
COUNT = 2
Point = tuple[Any, str]
GATEWAY = type(gateway)
BROKER: Point = (broker, "send")

# Where the process dies: before or after a call. `past`: only where something is charged.
REQUEST_POINTS: dict[str, tuple[Point, str, bool]] = {
    "the row is there": ((generations, "_pay"), "before", False),
    "before the meter is asked": ((overage, "_hold"), "before", False),
    "the meter has set it aside": ((overage, "_hold"), "after", False),
    "before the charge is written down": ((overage, "_open"), "before", True),
    "the charge is written down": ((overage, "_open"), "after", True),
    "before Stripe is called": ((GATEWAY, "invoice_item_create"), "before", True),
    "Stripe has taken it": ((GATEWAY, "invoice_item_create"), "after", True),
    "the charge is accepted": ((overage_charges, "overage_charge_record"), "before", True),
    "the charge is recorded": ((overage_charges, "overage_charge_record"), "after", True),
    "it is paid": ((generations, "usage_spend"), "after", False),
    "it says that it is paid": ((generations, "generation_send"), "before", False),
    "before the broker is called": (BROKER, "before", False),
    "the broker has it": (BROKER, "after", False),
}
WORK_POINTS: dict[str, tuple[Point, str, bool]] = {
    "before it is taken": ((generation_work, "_take"), "before", False),
    "it is taken": ((generation_work, "_take"), "after", False),
    "it is drawn": ((generation_work, "_drawn"), "after", False),
    "within the word that it is done": ((Chart.objects, "bulk_create"), "after", False),
    "it is done": ((generation_work, "_finish"), "after", False),
}
TAKING_BACK_POINTS: dict[str, tuple[Point, str, bool]] = {
    "it is given up": ((generations, "generation_take_back"), "before", False),
    "before the use is undone": ((overage_reversals, "_undo_use"), "before", False),
    "the use is undone": ((overage_reversals, "_undo_use"), "after", False),
    "before Stripe takes it back": ((GATEWAY, "invoice_item_delete"), "before", True),
    "Stripe has taken it back": ((GATEWAY, "invoice_item_delete"), "after", True),
    "it is written that it is taken back": ((overage_reversals, "_reversed"), "after", True),
    "all is taken back": ((generations, "spend_cancel"), "after", False),
}


class Died(BaseException):
    """The process is gone: nothing after it runs, whatever is caught."""


def cases(points: dict[str, tuple[Point, str, bool]]) -> list[Any]:
    return [
        pytest.param(kind, where, when, id=f"{name}-{kind}")
        for name, (where, when, past) in points.items()
        for kind in ACCOUNTS_CREDITS
        if kind != "credits" or not past
    ]


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Broker:
    return use_broker(monkeypatch)


def dies(work: Callable[[], Any], where: Point, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name = where
    real = getattr(owner, name)

    def dying(*args: Any, **kwargs: Any) -> Any:
        if where == BROKER and args[0] != generations.WORK_TASK:
            return real(*args, **kwargs)  # something else that was promised, a notice for example
        if when == "after":
            real(*args, **kwargs)
        raise Died

    with monkeypatch.context() as crash:
        crash.setattr(owner, name, dying)
        with pytest.raises(Died):
            work()


def ask(holder: Any) -> Generation:
    return generation_request(
        account=holder.account,
        credential_id=holder.credential.pk,
        prompt=PROMPT,
        count=COUNT,
        chart_at=database_now(),
        request_key="k",
        now=database_now(),
    )


def later(queue: Broker, stand_in: Any) -> None:
    """Hours pass: Stripe forgets the keys, every sweep runs again and again, and a worker does what is queued."""
    forget_keys(stand_in)
    for minutes in (1, 4, 20, 70, 140):
        services.overage_charges_sweep(now=database_now() + timedelta(minutes=minutes))
        sweep(timedelta(minutes=minutes))
        queue.work()
    reservations_expire()


def right_at_the_end(holder: Any, stand_in: Any, before: tuple[int, int, int]) -> Generation:
    """Done and charged once, or neither."""
    job = the_job()
    assert job.state in (State.DONE, State.FAILED, State.REVERSED)
    if job.state != State.DONE:
        assert untouched(holder.account, stand_in, before)
        return job
    credits_before = before[1]
    past = max(COUNT - credits_before, 0)
    assert paid(holder.account, stand_in) == (COUNT, max(credits_before - COUNT, 0), 14 * past)
    assert Chart.objects.filter(generation=job).count() == COUNT
    assert sum(over for _, _, over in moves(holder.account)) == past
    assert OverageCharge.objects.filter(status="accepted").count() == (1 if past else 0)
    assert len(items(stand_in)) == (1 if past else 0)
    return job


@pytest.mark.parametrize(("kind", "where", "when"), cases(REQUEST_POINTS))
def test_in_the_request(trading, stand_in, queue, monkeypatch, kind, where, when):
    """Nobody was answered: taken back, unless the broker had it."""
    holder = trader("growth", credits_left=ACCOUNTS_CREDITS[kind])
    before = paid(holder.account, stand_in)
    dies(lambda: ask(holder), where, when, monkeypatch)
    later(queue, stand_in)
    job = right_at_the_end(holder, stand_in, before)
    reached_the_broker = where == BROKER and when == "after"
    assert (job.state == State.DONE) == reached_the_broker


@pytest.mark.parametrize(("kind", "where", "when"), cases(REQUEST_POINTS))
def test_in_the_request_which_is_sent_again(trading, stand_in, queue, monkeypatch, kind, where, when):
    holder = trader("growth", credits_left=ACCOUNTS_CREDITS[kind])
    before = paid(holder.account, stand_in)
    dies(lambda: ask(holder), where, when, monkeypatch)
    again = ask(holder)
    assert again.pk == the_job().pk
    later(queue, stand_in)
    assert right_at_the_end(holder, stand_in, before).state == State.DONE


@pytest.mark.parametrize(("kind", "where", "when"), cases(WORK_POINTS))
def test_in_the_worker(trading, stand_in, queue, monkeypatch, kind, where, when):
    """It was answered and queued: it is done in the end, by another worker."""
    holder = trader("growth", credits_left=ACCOUNTS_CREDITS[kind])
    before = paid(holder.account, stand_in)
    job = ask(holder)
    dies(queue.work, where, when, monkeypatch)
    later_by_worker(queue, job)
    assert right_at_the_end(holder, stand_in, before).state == State.DONE


def later_by_worker(queue: Broker, job: Generation) -> None:
    """The sweep sends it again, and a worker of that later moment takes it."""
    at = database_now() + timedelta(minutes=11)
    sweep(timedelta(minutes=11))
    sent, queue.sent = queue.sent, []
    for _ in sent:
        generation_work.generation_work(generation_id=job.pk, now=at)


def test_a_worker_that_dies_every_time_is_given_up(trading, stand_in, queue, monkeypatch):
    """A drawing that kills its process: three times, then what was paid is taken back."""
    holder = trader("growth", credits_left=0)
    job = ask(holder)
    for attempt in range(generation_work.MAX_ATTEMPTS):
        at = database_now() + timedelta(minutes=11 * attempt)
        dies(
            lambda at=at: generation_work.generation_work(generation_id=job.pk, now=at),
            (generation_work, "_drawn"),
            "before",
            monkeypatch,
        )
    assert (
        generation_work.generation_work(generation_id=job.pk, now=database_now() + timedelta(hours=1)) is None
    )
    sweep(timedelta(hours=1))
    assert the_job().state == State.FAILED
    assert untouched(holder.account, stand_in, (0, 0, 0))


@pytest.mark.parametrize(("kind", "where", "when"), cases(TAKING_BACK_POINTS))
def test_while_taking_back(trading, stand_in, queue, monkeypatch, kind, where, when):
    holder = trader("growth", credits_left=ACCOUNTS_CREDITS[kind])
    before = paid(holder.account, stand_in)
    queue.is_up = False
    dies(lambda: ask(holder), where, when, monkeypatch)
    queue.is_up = True
    later(queue, stand_in)
    assert right_at_the_end(holder, stand_in, before).state == State.REVERSED


def test_the_sweep_and_a_request_that_was_taken_for_dead(trading, stand_in, queue, monkeypatch):
    """The request sleeps in the middle of paying; the sweep gives it up; it wakes, and takes back what it paid."""
    holder = trader("growth", credits_left=1)
    before = paid(holder.account, stand_in)
    real = generations.usage_spend

    def sleeps(**asked: Any) -> Any:
        spend = real(**asked)
        assert len(sweep(timedelta(minutes=10)).taken_back) == 1
        return spend

    with monkeypatch.context() as slow:
        slow.setattr(generations, "usage_spend", sleeps)
        with pytest.raises(generations.QueueUnavailable):
            ask(holder)
    assert queue.work() == 0
    assert untouched(holder.account, stand_in, before)


def test_the_sweep_comes_first_and_the_request_pays_then(trading, stand_in, queue, monkeypatch):
    holder = trader("growth", credits_left=1)
    before = paid(holder.account, stand_in)
    real = generations.usage_spend

    def slept(**asked: Any) -> Any:
        assert len(sweep(timedelta(minutes=10)).taken_back) == 1
        return real(**asked)

    with monkeypatch.context() as slow:
        slow.setattr(generations, "usage_spend", slept)
        with pytest.raises(generations.QueueUnavailable):
            ask(holder)
    assert queue.work() == 0
    assert untouched(holder.account, stand_in, before)


def test_many_orders_at_once_take_what_there_is_once(trading, stand_in, queue):
    holder = trader("growth", credits_left=3)

    def one(number: int) -> Generation:
        return generation_request(
            account=holder.account,
            credential_id=holder.credential.pk,
            prompt=PROMPT,
            count=1,
            chart_at=database_now(),
            now=database_now(),
        )

    jobs = at_once(8, one)
    assert [job for job in jobs if isinstance(job, Exception)] == []
    assert sum(job.credit_units for job in jobs) == 3
    assert sum(job.overage_units for job in jobs) == 5
    assert paid(holder.account, stand_in) == (8, 0, 14 * 5)
    assert queue.work() == 8
