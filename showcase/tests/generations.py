"""Stores that order charts, and what was ordered, for tests in one line."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from accounts.models import Account
from billing.models import OverageCharge
from billing.tests.stores import credits_of, items, moves, store
from common import broker
from common.clock import database_now
from enterprise.tests.conftest import Holder, key_of
from quotas.models import Reservation, UsageRecord
from showcase import generations
from showcase.generation_sweep import generations_sweep
from showcase.generation_work import generation_work
from showcase.models import Chart, Generation

PATH = "/v1/b2b/generations"
PROMPT = "The sky on 2 May 1990"


@dataclass
class Broker:
    """Takes jobs and gives them to no worker until it is told to; or refuses them."""

    is_up: bool = True
    sent: list[str] = field(default_factory=list)

    def send(self, task: str, argument: object) -> bool:
        if self.is_up and task == generations.WORK_TASK:
            self.sent.append(str(argument))
        return self.is_up

    def work(self) -> int:
        """A worker does everything that was sent; how many jobs were done by it."""
        jobs, self.sent = self.sent, []
        done = [generation_work(generation_id=UUID(job), now=database_now()) for job in jobs]
        return sum(job is not None for job in done)


def use_broker(monkeypatch) -> Broker:
    own = Broker()
    monkeypatch.setattr(broker, "send", own.send)
    return own


def trader(plan: str = "growth", *, credits_left: int | None = None) -> Holder:
    """A store's key."""
    account = store(plan, credits_left=credits_left)
    return key_of(account, account.members.get())


def order(holder: Holder, *, count: int = 1, key: str | None = None, prompt: str = PROMPT):
    client = holder.client
    client.raise_request_exception = False
    headers = {"HTTP_IDEMPOTENCY_KEY": key} if key else {}
    return client.post(PATH, {"prompt": prompt, "count": count}, "json", **headers)


def sweep(after: timedelta = timedelta(minutes=10)):
    return generations_sweep(now=database_now() + after)


def paid(account: Account, stand_in) -> tuple[int, int, int]:
    """Units counted, credits left, and cents that wait at Stripe."""
    units = sum(UsageRecord.objects.filter(account_id=account.pk).values_list("units", flat=True))
    return units, credits_of(account), sum(item["amount"] for item in items(stand_in))


def held(account: Account) -> bool:
    return Reservation.objects.filter(account_id=account.pk, status="open").exists()


def untouched(account: Account, stand_in, before: tuple[int, int, int]) -> bool:
    """Nothing is used, charged or held that was not before, and the ledger sums to what it was."""
    assert paid(account, stand_in) == before
    assert not held(account)
    assert sum(past for _, _, past in moves(account)) == 0
    assert not OverageCharge.objects.filter(account=account, status__in=["pending", "accepted"]).exists()
    assert not Chart.objects.exists()
    return True


def the_job() -> Generation:
    return Generation.objects.get()
