"""Refused orders are forgotten after a while; what was paid, or waits, never is."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.conf import settings
from django.core.management import call_command

from billing.models import OverageCharge
from billing.services import spend_cap_set
from common import clock
from common.clock import database_now
from enterprise.tests.conftest import _samplers_forget, organisation  # noqa: F401 - fixtures
from showcase.enums import GenerationState
from showcase.models import Generation
from showcase.tasks import refused_generations_forget
from showcase.tests.generations import order, trader, use_broker

State = GenerationState
LONG_AGO = timedelta(days=31)
UNPAID = (State.NEW, State.WAITING, State.FAILING, State.REVERSING, State.REVERSED)


def job(state: str, *, age: timedelta = LONG_AGO, was_sent: bool = False) -> Generation:
    at = clock.now() - age
    return Generation.objects.create(
        account=organisation()[0],
        prompt="x",
        count=1,
        chart_at=at,
        state=state,
        requested_at=at,
        tried_at=at,
        sent_at=at if was_sent else None,
    )


@pytest.mark.req("EN-7", "OP-4")
@pytest.mark.django_db
def test_only_what_was_refused_and_is_old(capsys: pytest.CaptureFixture[str]) -> None:
    kept = {
        job(State.FAILED, age=timedelta(days=29)).pk,
        job(State.FAILED, was_sent=True).pk,
        *(job(state).pk for state in UNPAID),
    }
    refused = {job(State.FAILED).pk for _ in range(3)}
    call_command("prune", "--dry-run", "--json")
    assert json.loads(capsys.readouterr().out)["refused_generations"] == 3
    assert set(Generation.objects.values_list("pk", flat=True)) == kept | refused
    call_command("prune", "--json")
    assert json.loads(capsys.readouterr().out)["refused_generations"] == 3
    assert set(Generation.objects.values_list("pk", flat=True)) == kept
    assert refused_generations_forget() == 0


@pytest.mark.req("EN-7")
@pytest.mark.django_db
def test_many_are_forgotten_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("showcase.retention.AT_ONCE", 2)
    for _ in range(5):
        job(State.FAILED)
    assert refused_generations_forget() == 5


@pytest.mark.req("EN-7", "CR-3")
def test_an_order_that_was_refused_for_want_of_credits(trading, stand_in, monkeypatch) -> None:
    """It leaves the row that this forgets; what is charged stays in the history either way."""
    use_broker(monkeypatch)
    holder = trader("growth", credits_left=0)
    spend_cap_set(account=holder.account, actor=holder.owner, cap_minor=14, now=database_now())
    assert order(holder).status_code == 202
    assert order(holder).status_code == 402
    charges = list(OverageCharge.objects.values())
    old = clock.now() - settings.GENERATIONS_RETENTION - timedelta(days=1)
    Generation.objects.update(requested_at=old)
    assert refused_generations_forget() == 1
    assert Generation.objects.get().state == State.SENT
    assert list(OverageCharge.objects.values()) == charges
