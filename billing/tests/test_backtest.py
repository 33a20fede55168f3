"""Another catalogue tried on past use: what it would have refused and charged, from real records, writing nothing."""

import io
import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db.models import F

from billing.models import PlanChange, Subscription
from billing.selectors.replay import Offers, replayed
from billing.services.catalog import catalog_load
from billing.tests.conftest import person
from billing.tests.helpers import ask
from billing.tests.stores import spend, store
from common import clock
from common.database import one_moment
from quotas.models import Entitlement, Grant, UsageRecord
from quotas.past_use import PastUse, past_use_add
from quotas.reports import ONE_DAY, midnight
from quotas.services import usage_consume, usage_reverse

pytestmark = pytest.mark.req("OP-4")


def changed(tmp_path: Path, *replacements: tuple[str, str]) -> Path:
    """The demo's catalogue with some texts replaced; each must be there."""
    text = Path(settings.CATALOG_FILE).read_text(encoding="utf-8")
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new, 1)
    file = tmp_path / "tried.toml"
    file.write_text(text, encoding="utf-8")
    return file


def backtest(file: Path, **options) -> list[dict]:
    out = io.StringIO()
    call_command("backtest", str(file), json=True, stdout=out, **options)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def long_ago(account, days: int = 60) -> None:
    """As if it had subscribed then."""
    back = timedelta(days=days)
    Subscription.objects.filter(account=account).update(
        started_at=F("started_at") - back, anchor_at=F("anchor_at") - back
    )


def used(account, *per_day: int, metric: str = "messages") -> None:
    """So many operations of one unit on each of the last days, yesterday last."""
    today = midnight(clock.now().date())
    for back, count in enumerate(reversed(per_day), start=1):
        at = today - back * ONE_DAY
        past_use_add(
            account_id=account.pk,
            metric=metric,
            uses=[PastUse(at + timedelta(minutes=n), 1) for n in range(count)],
            subject="past",
            now=clock.now(),
        )


def span():
    now = clock.now()
    return {"since": now - timedelta(hours=1), "until": now + timedelta(hours=1)}


def sides(account, file):
    with one_moment():
        (found,) = replayed(offers=Offers(catalog_load(file)), account_id=account.pk, **span())
    return found.then, found.now


def refused(outcome) -> dict[str, int]:
    return {metric: one.operations for metric, one in outcome.refused.items()}


FEWER = (
    'metric = "messages", window = "day", limit = 5 }',
    'metric = "messages", window = "day", limit = 3 }',
)


def test_a_smaller_limit_refuses_what_lay_beyond_it(catalog, tmp_path):
    many, few = person(), person()
    for account, days in ((many, (5, 4, 3)), (few, (3, 2, 1))):
        long_ago(account)
        used(account, *days)
    *rows, total = backtest(changed(tmp_path, FEWER))
    assert [(row["account"], row["plans"]) for row in rows] == [(many.pk, ["free"])]
    assert rows[0]["then"]["refused"] == {}
    told = rows[0]["now"]["refused"]["messages"]
    assert (told["operations"], told["units"]) == (3, 3), "2 of 5 and 1 of 4"
    assert told["first_at"].endswith("T00:03:00+00:00"), "the fourth of the first day"
    assert (total["accounts"], total["accounts_refused_more"], total["records"]) == (2, 1, 18)
    assert total["refused_operations"] == {"then": 0, "now": 3}
    assert total["difference_minor"] == {}


def test_the_catalogue_that_held_changes_nothing(catalog):
    for plan in (None, "premium"):
        account = person()
        if plan:
            ask(account, plan)
        long_ago(account)
        used(account, 5, 0, 5, 5)
    *rows, total = backtest(Path(settings.CATALOG_FILE))
    assert rows == []
    assert total["refused_operations"] == {"then": 0, "now": 0}
    assert total["accounts_that_differ"] == 0
    assert total["revenue_minor"]["then"] == total["revenue_minor"]["now"] != {}


def test_another_price_is_the_difference_in_revenue(catalog, tmp_path):
    account = person()
    ask(account, "premium")
    long_ago(account, days=90)
    Subscription.objects.filter(account=account, price__version__plan__is_free=True).update(
        started_at=F("started_at") - timedelta(days=1)
    )
    dearer = changed(
        tmp_path, ("prices = { month = 2000, year = 20000 }", "prices = { month = 3000, year = 20000 }")
    )
    *rows, total = backtest(dearer, all=True)
    row = next(row for row in rows if row["account"] == account.pk)
    then, now = row["then"]["revenue_minor"]["eur"], row["now"]["revenue_minor"]["eur"]
    assert 1900 <= then <= 2200, "about a month at 20.00"
    assert now == pytest.approx(then * 1.5, abs=1)
    assert row["difference_minor"] == total["difference_minor"] == {"eur": now - then}


def test_a_change_of_plan_turns_the_limits_at_its_moment(trading, tmp_path):
    account = person()
    for _ in range(4):
        assert usage_consume(account_id=account.pk, metric="messages").allowed
    ask(account, "basic")
    for _ in range(20):
        assert usage_consume(account_id=account.pk, metric="messages").allowed
    tighter = changed(tmp_path, FEWER, ('window = "day", limit = 50 }', 'window = "day", limit = 10 }'))
    then, now = sides(account, tighter)
    assert refused(then) == {}
    assert refused(now) == {"messages": 1 + 13}, "3 of 4 as free; then 7 of 20 up to 10"


def test_credits_and_the_rate_of_another_catalogue(trading, tmp_path):
    account = store("starter")
    spend(account, 90, key="one")
    spend(account, 12, key="two")
    then, now = sides(account, Path(settings.CATALOG_FILE))
    assert then == now
    assert then.overage_minor == {"usd": 32}
    assert then.overage_units == 2
    fewer = ("credits_per_period = 100", "credits_per_period = 95")
    dearer = ("overage_minor_per_credit = 16", "overage_minor_per_credit = 20")
    _, now = sides(account, changed(tmp_path, fewer, dearer))
    assert (now.overage_units, now.overage_minor) == (7, {"usd": 140})
    none = ("credits_per_period = 100\n", "credits_per_period = 0\n")
    _, now = sides(account, changed(tmp_path, none, ("overage_minor_per_credit = 16\n", "")))
    assert refused(now) == {"generations": 2}
    assert now.overage_minor == {}


def test_credits_where_the_plan_bought_gave_none(trading, tmp_path):
    account = person()
    ask(account, "premium")
    assert Grant.objects.count() == 0
    metered = changed(
        tmp_path,
        ('features = ["history", "export"]', 'features = ["history", "export"]\ncredits_per_period = 3'),
        (
            '{ metric = "messages", window = "day", limit = 1000 },',
            "",
        ),
        (
            "prices = { month = 2000, year = 20000 }",
            "prices = { month = 2000, year = 20000 }\ncredit_metrics = { messages = 1 }",
        ),
    )
    for _ in range(5):
        assert usage_consume(account_id=account.pk, metric="messages").allowed
    _, now = sides(account, metered)
    assert refused(now) == {"messages": 2}


def test_what_was_reversed_is_nothing_in_either(trading, tmp_path):
    account = person()
    for number in range(4):
        decision = usage_consume(account_id=account.pk, metric="messages", key=f"call-{number}")
    usage_reverse(account_id=account.pk, record_id=decision.record_id, reason="it failed", now=clock.now())
    assert UsageRecord.objects.filter(account_id=account.pk).count() == 5
    then, now = sides(account, changed(tmp_path, FEWER))
    assert (refused(then), refused(now)) == ({}, {"messages": 1})
    assert usage_consume(account_id=account.pk, metric="messages").allowed


def test_a_plan_that_the_catalogue_no_longer_has_is_left_as_bought_and_named(catalog, tmp_path):
    account = person()
    ask(account, "basic", "year")
    long_ago(account, 20)
    used(account, 3)
    no_year = changed(tmp_path, ("prices = { month = 500, year = 5000 }", "prices = { month = 700 }"))
    *_, total = backtest(no_year)
    assert total["not_in_catalogue"] == ["basic/year"]
    assert total["difference_minor"] in ({}, {"eur": 0})


def test_it_writes_nothing_and_says_the_same_twice(committed_db, trading, tmp_path):
    account = store("starter")
    spend(account, 101)
    long_ago(account)
    file = changed(tmp_path, ("credits_per_period = 100", "credits_per_period = 10"))
    before = _all_rows()
    first = backtest(file, all=True)
    assert backtest(file, all=True) == first
    assert _all_rows() == before


def _all_rows() -> dict[str, list]:
    models = (Subscription, PlanChange, Entitlement, Grant, UsageRecord)
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in models}


def test_records_are_read_as_a_stream_in_a_few_queries(catalog, tmp_path, django_assert_max_num_queries):
    accounts = [person(card=None) for _ in range(5)]
    for account in accounts:
        long_ago(account)
        used(account, 3, 3)
    with django_assert_max_num_queries(25):
        backtest(changed(tmp_path, FEWER), all=True)


def test_in_words(catalog, tmp_path):
    account = person()
    long_ago(account)
    used(account, 5)
    out = io.StringIO()
    call_command("backtest", str(changed(tmp_path, FEWER)), stdout=out)
    assert f"{account.pk}  free" in out.getvalue()
    assert "0 → 2" in out.getvalue()
    assert "refused: 0 → 2 operations, more than before for 1 accounts" in out.getvalue()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"since": "2026-02-02", "until": "2026-02-01"}, "--since"),
        ({"until": "2999-01-01"}, "--until"),
        ({"account": "nobody@palier.test"}, "no account"),
    ],
)
def test_what_cannot_be_asked(catalog, options, said):
    with pytest.raises((CommandError, SystemExit), match=said):
        call_command(
            "backtest", settings.CATALOG_FILE, *[f"--{name}={value}" for name, value in options.items()]
        )


def test_a_file_that_is_wrong_is_told_with_every_problem(db, tmp_path):
    file = tmp_path / "wrong.toml"
    file.write_text("[plans.x]\nrank = -1\n")
    with pytest.raises(CommandError, match="not right") as caught:
        call_command("backtest", str(file))
    assert "rank" in str(caught.value)
    assert "currency" in str(caught.value)
