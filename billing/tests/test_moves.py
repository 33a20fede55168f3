"""Moving subscribers to a new version of their plan: previewed, charged nothing, in the history, undoable."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from billing.errors import DuplicatePlanChange, PaymentProviderUnavailable, PlanChangeNotAllowed
from billing.models import PlanChange
from billing.services import catalog_load, catalog_sync
from billing.services.moves import move_candidates, move_preview, subscription_move, version_get
from billing.services.sweep import plan_changes_sweep
from billing.tests.conftest import person
from billing.tests.helpers import (
    ask,
    cancel,
    everything,
    fault,
    forget_keys,
    invoices,
    messages_limit,
    no_faults,
    subscription,
    undo,
)
from common.clock import database_now

pytestmark = pytest.mark.req("PC-13")


def new_version(plan="basic", *, month=700, limit=40):
    """The catalogue with another price and fewer messages a day in it."""
    catalog = catalog_load(Path(settings.CATALOG_FILE))
    plans = tuple(_changed(one, month, limit) if one.code == plan else one for one in catalog.plans)
    catalog_sync(catalog=replace(catalog, plans=plans), now=database_now())
    return version_get(plan=plan, number=None)


def _changed(plan, month, limit):
    prices = tuple(
        replace(one, amount_minor=month) if one.interval == "month" and one.amount_minor else one
        for one in plan.prices
    )
    limits = tuple(
        replace(one, limit_units=limit) if one.metric == "messages" else one for one in plan.limits
    )
    return replace(plan, prices=prices, limits=limits)


def move(account, target, at="period_end"):
    return subscription_move(
        account=account, target=target, at=at, actor=None, request_id="req-move", now=database_now()
    )


def seen(account, target, at="period_end"):
    return move_preview(subscription=subscription(account), target=target, at=at, now=database_now())


def test_who_subscribed_keeps_what_they_bought(catalog):
    account = person()
    ask(account, "basic")
    target = new_version()
    assert (target.number, subscription(account).plan_version.number) == (2, 1)
    assert messages_limit(account) == 50
    later = person()
    ask(later, "basic")
    assert (subscription(later).plan_version.number, messages_limit(later)) == (2, 40)
    assert [one.account_id for one in move_candidates(target=target, from_number=None)] == [account.pk]


def test_a_preview_tells_amounts_and_limits_and_changes_nothing(catalog):
    account = person()
    ask(account, "basic")
    target = new_version()
    before = everything(account, catalog)
    preview = seen(account, target)
    assert (preview.next_before.amount_minor, preview.next_after.amount_minor) == (500, 700)
    assert [(one.metric, one.from_limit, one.to_limit) for one in preview.limits] == [("messages", 50, 40)]
    assert preview.effective_at == subscription(account).current_period_end
    assert everything(account, catalog) == before


def test_at_the_periods_end_it_switches_and_the_invoice_is_the_previewed(travel):
    account = person()
    ask(account, "basic")
    target = new_version()
    preview = seen(account, target)
    change = move(account, target)
    assert (change.kind, change.status) == ("move", "scheduled")
    assert messages_limit(account) == 50
    travel.to(preview.effective_at + timedelta(hours=2))
    change.refresh_from_db()
    assert change.status == "applied"
    assert (subscription(account).plan_version.number, messages_limit(account)) == (2, 40)
    assert [one["total"] for one in invoices(travel.stand_in)] == [500, preview.next_after.amount_minor]


def test_now_changes_the_limits_and_charges_nothing_before_the_next_invoice(travel):
    account = person()
    ask(account, "basic")
    target = new_version()
    preview = seen(account, target, "now")
    end = subscription(account).current_period_end
    assert move(account, target, "now").status == "applied"
    assert messages_limit(account) == 40
    assert len(invoices(travel.stand_in)) == 1
    travel.to(end + timedelta(hours=2))
    assert [one["total"] for one in invoices(travel.stand_in)] == [500, preview.next_after.amount_minor]


def test_the_free_plan_moves_at_once(catalog):
    account = person()
    target = new_version("free", limit=4)
    assert move(account, target).status == "applied"
    assert messages_limit(account) == 4
    with pytest.raises(DuplicatePlanChange):
        move(account, target)


def test_it_can_be_taken_back_and_asked_again(catalog):
    account = person()
    ask(account, "basic")
    target = new_version()
    move(account, target)
    assert undo(account).change.status == "undone"
    assert messages_limit(account) == 50
    assert move(account, target).status == "scheduled"


@pytest.mark.parametrize("state", ["scheduled", "ending"])
def test_what_is_scheduled_comes_first(catalog, state):
    account = person()
    ask(account, "premium")
    ask(account, "basic") if state == "scheduled" else cancel(account)
    target = new_version("premium", month=2500)
    before = everything(account, catalog)
    assert seen(account, target).blocked == "change_scheduled"
    with pytest.raises(PlanChangeNotAllowed):
        move(account, target)
    assert everything(account, catalog) == before


@pytest.mark.parametrize("at", ["now", "period_end"])
@pytest.mark.parametrize("effect", ["drop_after", "error_before"])
def test_a_lost_answer_is_found_out(catalog, at, effect):
    account = person()
    ask(account, "basic")
    target = new_version()
    path = "/v1/subscriptions/" if at == "now" else "/v1/subscription_schedules/"
    fault(catalog, path=path, method="POST", effect=effect, times=4)
    with pytest.raises(PaymentProviderUnavailable):
        move(account, target, at)
    no_faults(catalog)
    forget_keys(catalog)
    plan_changes_sweep(now=database_now() + timedelta(hours=1))
    change = PlanChange.objects.get(account=account, kind="move")
    done = {"now": "applied", "period_end": "scheduled"}[at] if effect == "drop_after" else "failed"
    assert change.status == done
    assert len(invoices(catalog)) == 1
    assert messages_limit(account) == (40 if (at, effect) == ("now", "drop_after") else 50)


def test_the_command_previews_moves_and_goes_on(catalog):
    first, second, ending = person(), person(), person()
    for account in (first, second, ending):
        ask(account, "basic")
    cancel(ending)
    new_version()

    def run(*options):
        out = StringIO()
        try:
            call_command("move_subscribers", "--plan", "basic", "--json", *options, stdout=out)
            code = 0
        except SystemExit as end:
            code = end.code
        return code, [json.loads(line) for line in out.getvalue().splitlines()]

    code, rows = run("--dry-run")
    assert (code, [row["blocked"] for row in rows]) == (1, [None, None, "change_scheduled"])
    assert [row["next_invoice_after"] and row["next_invoice_after"]["amount_minor"] for row in rows] == [
        700,
        700,
        None,
    ]
    assert not PlanChange.objects.filter(kind="move").exists()
    code, rows = run("--from", "1", "--to", "2")
    assert (code, [row.get("status") for row in rows]) == (1, ["scheduled", "scheduled", None])
    code, rows = run()
    assert [row["blocked"] for row in rows] == ["change_scheduled"] * 3


@pytest.mark.parametrize(
    "options", [("--plan", "nothing"), ("--plan", "basic", "--to", "9"), ("--plan", "basic", "--to", "x")]
)
def test_the_command_refuses_what_is_not_there(catalog, options):
    with pytest.raises(CommandError) as raised:
        call_command("move_subscribers", *options)
    assert raised.value.returncode == 2
