"""The catalogue: what the file may say, and how it gets into the database and to Stripe."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import IntegrityError, InternalError, transaction

from billing.errors import CatalogInvalid, PaymentProviderUnavailable
from billing.models import Plan, PlanTransition, PlanVersion, Price
from billing.rules.catalog import read_catalog
from billing.services import catalog_sync
from billing.tests.helpers import fault, no_faults, state
from common.clock import database_now


def tables() -> dict:
    return tomllib.loads(Path(settings.CATALOG_FILE).read_text(encoding="utf-8"))


def changed(**plans) -> dict:
    data = copy.deepcopy(tables())
    for code, values in plans.items():
        data["plans"][code] |= values
    return data


def sync(data, *, dry_run=False):
    return catalog_sync(catalog=read_catalog(data), now=database_now(), dry_run=dry_run)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: d["plans"]["basic"].update(rank="high"), "plans.basic: rank must be a whole number"),
        (lambda d: d["plans"]["basic"].update(colour="red"), "plans.basic: unknown key 'colour'"),
        (lambda d: d["plans"]["basic"].update(prices={}), "plans.basic: needs a price"),
        (lambda d: d["plans"]["basic"].update(prices={"week": 1}), "unknown key 'week'"),
        (lambda d: d["plans"]["basic"].update(prices={"month": -1}), "must be a whole number, 0 or more"),
        (
            lambda d: d["plans"]["basic"].update(prices={"month": 500, "year": 0}),
            "free at every interval or at none",
        ),
        (
            lambda d: d["plans"]["basic"].update(prices={"month": 10**9}),
            "more than 99999999 cannot be charged",
        ),
        (lambda d: d["plans"]["basic"].update(currency="€"), "currency must be three lower-case letters"),
        (lambda d: d["plans"]["basic"].update(features=["flying"]), "unknown feature 'flying'"),
        (lambda d: d["plans"]["basic"].update(name={"en": "Basic"}), "name.fr must be a text"),
        (
            lambda d: d["plans"]["basic"]["limits"].append({"metric": "x", "window": "day", "limit": 1}),
            "unknown metric 'x'",
        ),
        (
            lambda d: d["plans"]["basic"]["limits"].append(
                {"metric": "messages", "window": "capacity", "limit": 1}
            ),
            "messages is a counter: window 'capacity' does not fit",
        ),
        (
            lambda d: d["plans"]["basic"]["limits"].append(
                {"metric": "messages", "window": "day", "limit": 9}
            ),
            "messages/day stands twice",
        ),
        (lambda d: d["plans"]["basic"].update(rank=20), "ranks: consumer 20 stands twice"),
        (lambda d: d["plans"]["basic"].update(prices={"month": 0}), "more than one free plan for consumer"),
        (
            lambda d: d.update(transitions=[{"from": "free", "to": "gold", "kind": "upgrade"}]),
            "unknown plan 'gold'",
        ),
        (
            lambda d: d.update(transitions=[{"from": "basic", "to": "free", "kind": "upgrade"}]),
            "a free plan cannot be an upgrade",
        ),
        (
            lambda d: d.update(transitions=[{"from": "basic", "to": "scale", "kind": "upgrade"}]),
            "audiences and currencies must be the same",
        ),
        (
            lambda d: d.update(transitions=[{"from": "basic", "to": "premium", "kind": "sideways"}]),
            "kind must be one of upgrade, downgrade, forbidden",
        ),
    ],
)
def test_a_file_that_is_wrong_says_where(change, problem):
    data = tables()
    change(data)
    with pytest.raises(CatalogInvalid) as raised:
        read_catalog(data)
    assert any(problem in one for one in raised.value.problems), raised.value.problems


def test_all_problems_are_named_at_once():
    data = changed(basic={"rank": -1, "currency": "x"}, premium={"features": ["y"]})
    with pytest.raises(CatalogInvalid) as raised:
        read_catalog(data)
    assert len(raised.value.problems) >= 3


@pytest.mark.req("PC-2")
def test_transitions_go_by_rank_unless_declared():
    data = tables() | {"transitions": [{"from": "premium", "to": "basic", "kind": "forbidden"}]}
    kinds = {(one.from_plan, one.to_plan): one.kind for one in read_catalog(data).all_transitions()}
    assert kinds["free", "premium"] == "upgrade"
    assert kinds["premium", "free"] == "downgrade"
    assert kinds["premium", "basic"] == "forbidden"
    assert kinds["free", "starter"] == kinds["starter", "free"] == "forbidden"
    assert len(kinds) == 6 * 5


@pytest.mark.req("BI-1")
def test_sync_makes_plans_and_stripes_prices(catalog):
    there = state(catalog)
    assert sorted(there["products"]) == [
        "palier_basic",
        "palier_growth",
        "palier_premium",
        "palier_scale",
        "palier_starter",
    ]
    prices = {one["lookup_key"]: one for one in there["prices"].values()}
    assert prices["palier_basic_v1_year"]["unit_amount"] == 5000
    assert prices["palier_scale_v1_month"]["currency"] == "usd"
    ours = {one.lookup_key: one.stripe_price_id for one in Price.objects.filter(amount_minor__gt=0)}
    assert ours == {key: one["id"] for key, one in prices.items()}
    assert Price.objects.get(lookup_key="palier_free_v1_month").stripe_price_id is None
    assert PlanTransition.objects.count() == 30


def test_sync_again_does_nothing(catalog):
    before = state(catalog)
    report = sync(tables())
    assert (report.database, report.provider) == ([], [])
    assert state(catalog)["prices"] == before["prices"]
    assert PlanVersion.objects.count() == 6


@pytest.mark.req("PC-13")
def test_changed_terms_make_a_version_and_leave_the_old_one(catalog):
    report = sync(changed(basic={"prices": {"month": 600, "year": 6000}}))
    assert report.database == ["plan basic: version 2"]
    old, new = PlanVersion.objects.filter(plan__code="basic").order_by("number")
    assert old.superseded_at is not None
    assert new.superseded_at is None
    assert old.prices.get(interval="month").amount_minor == 500
    assert new.prices.get(interval="month").amount_minor == 600
    assert len(state(catalog)["prices"]) == 7 + 2


def test_changed_words_make_no_version(catalog):
    report = sync(changed(basic={"name": {"en": "Base", "fr": "Base"}}))
    assert report.database == ["plan basic: name_en, name_fr changed"]
    assert PlanVersion.objects.filter(plan__code="basic").count() == 1


def test_dry_run_changes_nothing(catalog):
    report = sync(changed(basic={"prices": {"month": 600}}), dry_run=True)
    assert report.database == ["plan basic: version 2"]
    assert report.provider == ["price palier_basic_v2_month: to be created"]
    assert PlanVersion.objects.filter(plan__code="basic").count() == 1
    assert len(state(catalog)["prices"]) == 7


def test_a_plan_taken_out_is_retired_and_can_come_back(catalog):
    data = tables()
    del data["plans"]["scale"]
    assert "plan scale: no longer on offer" in sync(data).database
    assert Plan.objects.get(code="scale").retired_at is not None
    sync(tables())
    assert Plan.objects.get(code="scale").retired_at is None
    assert PlanVersion.objects.filter(plan__code="scale").count() == 1


@pytest.mark.parametrize("after", range(1, 9))
@pytest.mark.req("BI-1")
def test_a_run_that_died_goes_on_and_makes_nothing_twice(db, stand_in, after):
    """Stripe does its part and the answer is lost, at the n-th write."""
    writes = 0
    original = stand_in.core.faults.take

    def take(method, path):
        nonlocal writes
        writes += method == "POST"
        if method == "POST" and writes == after:
            fault(stand_in, path="/v1/", method="POST", effect="drop_after", times=4)
        return original(method, path)

    stand_in.core.faults.take = take
    try:
        with pytest.raises(PaymentProviderUnavailable):
            sync(tables())
    finally:
        stand_in.core.faults.take = original
    no_faults(stand_in)
    sync(tables())
    there = state(stand_in)
    assert len(there["products"]) == 5
    assert len(there["prices"]) == 7
    assert not Price.objects.filter(amount_minor__gt=0, stripe_price_id=None).exists()


def test_command_reports(catalog, capsys):
    call_command("sync_catalog")
    assert "Nothing to do" in capsys.readouterr().out
    call_command("sync_catalog", "--json", "--dry-run")
    assert capsys.readouterr().out == '{"dry_run": true, "database": [], "provider": []}\n'


def test_command_refuses_a_wrong_file(catalog, tmp_path):
    wrong = tmp_path / "catalog.toml"
    wrong.write_text("[plans.x]\nrank = 1\n")
    with pytest.raises(CommandError, match="needs a price"):
        call_command("sync_catalog", "--file", str(wrong))
    assert Plan.objects.count() == 6


@pytest.mark.parametrize(
    "act",
    [
        lambda: PlanVersion.objects.filter(number=1).update(credits_per_period=7),
        lambda: Price.objects.update(amount_minor=1),
    ],
)
@pytest.mark.req("PC-13")
def test_terms_that_were_sold_are_never_rewritten(catalog, act):
    with pytest.raises((IntegrityError, InternalError), match="never rewritten"), transaction.atomic():
        act()
    assert Price.objects.get(lookup_key="palier_basic_v1_month").amount_minor == 500
