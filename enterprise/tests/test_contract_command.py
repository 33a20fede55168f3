"""`manage.py contract`: makes, amends, ends, lists, shows; says why not; changes nothing in a dry run."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from common import clock
from common.books import verify_all
from common.models import AuditEntry
from enterprise.models import Contract, ContractLimit, ContractTerms
from enterprise.rules.contracts import ContractState, state_of
from enterprise.tests.conftest import Holder, organisation
from quotas.models import Entitlement
from quotas.services import usage_consume

pytestmark = pytest.mark.req("EN-1", "EN-9", "OP-4")

BASE = ["--title", "Year one", "--currency", "usd", "--reason", "signed", "--limit", "api_calls/day=1000"]


@pytest.fixture
def run(capsys: Any) -> Any:
    def command(*arguments: Any) -> list[dict[str, Any]]:
        capsys.readouterr()
        call_command("contract", *[str(one) for one in arguments], "--json")
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return command


def state() -> list[Any]:
    kept = [list(model.objects.order_by("pk").values()) for model in (Contract, ContractTerms, ContractLimit)]
    return [*kept, list(Entitlement.objects.order_by("pk").values()), AuditEntry.objects.count()]


def refused(code: int, *arguments: Any) -> str:
    before = state()
    with pytest.raises(CommandError) as told:
        call_command("contract", *[str(one) for one in arguments])
    assert told.value.returncode == code
    assert state() == before
    return str(told.value)


def allows(holder: Holder, units: int) -> bool:
    from quotas.services import usage_check

    return usage_check(account_id=holder.account.pk, metric="api_calls", units=units).allowed


def test_the_life_of_a_contract(metered: Holder, run: Any) -> None:
    """Made, used, amended with what was used kept, ended; each act in the trail with its reason."""
    (made,) = run("create", "--account", metered.owner.email, *BASE, "--limit", "api_calls/month=20000")
    assert (made["state"], len(made["terms"][0]["limits"])) == ("running", 2)
    usage_consume(account_id=metered.account.pk, metric="api_calls", units=900)
    assert not allows(metered, 200)
    (amended,) = run("amend", made["id"], "--limit", "api_calls/day=1200@1.5", "--reason", "more")
    assert [terms["number"] for terms in amended["terms"]] == [2, 1]
    assert amended["terms"][0]["limits"] == [
        {
            "metric": "api_calls",
            "window": "day",
            "limit": 1200,
            "mode": "overage",
            "overage_price": "1.500000",
        }
    ]
    assert amended["terms"][0]["in_force"]
    assert allows(metered, 5000)
    (ended,) = run("end", made["id"], "--reason", "over")
    assert ended["state"] == "ended"
    assert run("list", "--account", metered.account.pk) == run("list") == run("show", made["id"])
    entries = AuditEntry.objects.filter(action__startswith="contract.").order_by("at", "pk")
    assert sorted(entries.values_list("action", "reason", "actor_label")) == [
        ("contract.amended", "more", "contract command"),
        ("contract.amended", "over", "contract command"),
        ("contract.created", "signed", "contract command"),
    ]
    refused(1, "amend", made["id"], "--reason", "late")


def test_a_dry_run_changes_nothing(metered: Holder, run: Any, capsys: Any) -> None:
    before = state()
    (told,) = run("create", "--account", metered.account.pk, *BASE, "--dry-run")
    assert told["dry_run"]
    assert state() == before
    (made,) = run("create", "--account", metered.account.pk, *BASE)
    before = state()
    (told,) = run("amend", made["id"], "--limit", "api_calls/day=1", "--reason", "x", "--dry-run")
    assert told["terms"][0]["limits"][0]["limit"] == 1
    run("end", made["id"], "--reason", "x", "--dry-run")
    assert state() == before
    assert allows(metered, 1000)
    call_command("contract", "end", made["id"], "--reason", "x", "--dry-run")
    assert "(dry run: nothing was changed)" in capsys.readouterr().out


def test_one_that_is_to_come_never_begins(metered: Holder, run: Any) -> None:
    starts = (clock.database_now() + timedelta(days=3)).date()
    (made,) = run("create", "--account", metered.account.pk, *BASE, "--starts", starts)
    assert made["state"] == "coming"
    assert made["starts_at"] == f"{starts}T00:00:00Z"
    (ended,) = run("end", made["id"], "--reason", "not signed")
    assert (ended["state"], ended["ends_at"]) == ("ended", ended["starts_at"])
    run("create", "--account", metered.account.pk, *BASE)


def test_later_ends(metered: Holder, run: Any) -> None:
    (made,) = run("create", "--account", metered.account.pk, *BASE, "--ends", "2999-01-01")
    at = "2998-06-01T12:00:00Z"
    assert run("end", made["id"], "--at", at, "--reason", "x")[0]["ends_at"] == at
    assert run("amend", made["id"], "--reason", "x")[0]["ends_at"] == at, "unchanged"
    assert run("amend", made["id"], "--reason", "x", "--ends", "never")[0]["ends_at"] is None
    refused(1, "end", made["id"], "--at", "2001-01-01", "--reason", "x")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--limit", "api_calls"], "--limit api_calls"),
        (["--limit", "api_calls/week=5"], "--limit api_calls/week=5"),
        (["--limit", "api_calls/day=-1"], "--limit"),
        (["--limit", "api_calls/day=1.5"], "--limit"),
        (["--limit", "api_calls/day=1@-2"], "--limit"),
        (["--limit", "api_calls/day=1@0.0000001"], "--limit"),
        (["--limit", "api_calls/hour=99999999999999999"], "--limit"),
        (["--starts", "tomorrow"], "no time"),
        (["--ends", "2001-02-30"], "no time"),
        (["--account", "nobody@example.test"], "no account"),
        (["--account", "999999999"], "no account"),
    ],
)
def test_wrongly_asked(metered: Holder, arguments: list[str], words: str) -> None:
    assert words in refused(2, "create", "--account", metered.account.pk, *BASE, *arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--limit", "nonsense/day=5"],
        ["--limit", "api_calls/day=7"],
        ["--limit", "api_calls/month=unlimited@2"],
        ["--limit", "api_calls/month=5@2", "--limit", "api_calls/hour=5@3"],
        ["--ends", "2001-01-01"],
        ["--title", " "],
        ["--title", "x" * 121],
        ["--currency", "dollars"],
        ["--currency", "USD"],
        ["--reason", ""],
        ["--reason", "x" * 201],
        ["--period-months", "0"],
        ["--period-months", "99999"],
    ],
)
def test_refused(metered: Holder, arguments: list[str]) -> None:
    told = refused(1, "create", "--account", metered.account.pk, *BASE, *arguments)
    assert told.startswith(("validation_error: ", "unknown_metric: "))


def test_not_two_at_once_nor_for_persons(metered: Holder, run: Any) -> None:
    from accounts.tests.factories import make_person

    run("create", "--account", metered.account.pk, *BASE)
    assert "Another contract" in refused(1, "create", "--account", metered.account.pk, *BASE)
    own = make_person().personal_account
    assert "for organisations" in refused(1, "create", "--account", own.pk, *BASE)
    other, _owner = organisation()
    run("create", "--account", other.pk, *BASE)
    assert len(run("list")) == 2
    assert len(run("list", "--account", other.pk)) == 1
    for unknown in ("00000000-0000-4000-8000-000000000000", "nonsense"):
        for verb in (["show"], ["end", "--reason", "x"], ["amend", "--reason", "x"]):
            refused(2, verb[0], unknown, *verb[1:])


def test_words_for_people(metered: Holder, capsys: Any) -> None:
    call_command(
        "contract", "create", "--account", metered.owner.email, *BASE, "--limit", "api_calls/month=5@1.5"
    )
    told = capsys.readouterr().out
    assert "running" in told
    assert "api_calls/day: 1000, then refused" in told
    assert "api_calls/month: 5, then $0.015" in told


def test_where_a_contract_stands() -> None:
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    tick = timedelta(microseconds=1)
    ask = lambda at, ends=end: state_of(starts_at=start, ends_at=ends, at=at)  # noqa: E731
    assert ask(start - tick) == ContractState.COMING
    assert ask(start) == ask(end - tick) == ask(end, None) == ContractState.RUNNING
    assert ask(end) == ContractState.ENDED
    assert ask(start - tick, start) == ContractState.ENDED, "ended before it began"


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE quotas_entitlement SET limit_units = 5000 WHERE valid_from <= now()",
        "UPDATE quotas_entitlement SET mode = 'overage' WHERE source = 'contract'",
        "UPDATE quotas_entitlement SET limit_units = 5000 WHERE valid_from > now() + interval '1 day'",
        "UPDATE quotas_entitlement SET valid_until = valid_from + interval '1 day' WHERE valid_until IS NULL",
        "DELETE FROM quotas_entitlement WHERE source = 'contract'",
    ],
)
@pytest.mark.req("QU-4")
def test_limits_that_are_not_the_contracts_are_found_and_mended(
    metered: Holder, run: Any, damage: str, capsys: Any
) -> None:
    (made,) = run("create", "--account", metered.account.pk, *BASE)
    later = clock.now() + timedelta(days=40)
    run("amend", made["id"], "--limit", "api_calls/day=2000", "--from", later.isoformat(), "--reason", "more")
    assert verify_all() == []
    before = limits()
    with connection.cursor() as cursor:
        cursor.execute(damage)
        assert cursor.rowcount > 0
    (finding,) = verify_all()
    assert finding.startswith(f"enterprise.entitlements_are_the_contracts: account {metered.account.pk}: ")
    command = re.search(r"\(manage\.py (.*)\)$", finding)
    assert command is not None
    call_command(*command[1].split(), "--dry-run")
    assert verify_all() == [finding]
    call_command(*command[1].split())
    assert verify_all() == []
    assert limits() == before
    assert AuditEntry.objects.filter(action="contract.limits_mended").count() == 1


def limits() -> list[Any]:
    ahead = Entitlement.objects.filter(source="contract").exclude(valid_until__lte=clock.database_now())
    return sorted(ahead.values_list("window", "limit_units", "mode", "valid_until"))
