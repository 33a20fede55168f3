"""The meter's billing-period windows over scheduled switches: as the periods at Stripe, whoever is late to say so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from billing.services import catalog_load, catalog_sync
from billing.tests.conftest import person
from billing.tests.helpers import ask, cancel, coming_year, subscription
from billing.tests.overdue import refresh, stripe_id
from common import books
from common.clock import database_now
from common.periods import add_months
from quotas.models import Bucket
from quotas.selectors import quota_status
from quotas.services import usage_consume

pytestmark = pytest.mark.req("QU-3", "PC-4", "PC-13")

FILE = Path(__file__).parent / "periods.toml"
SECOND = timedelta(seconds=1)


@pytest.fixture
def periods(travel):
    catalog_sync(catalog=catalog_load(FILE), now=database_now())
    travel.to(datetime(coming_year(), 1, 31, 10, tzinfo=UTC), sweep=False)
    return travel


def use(account, units: int = 1) -> None:
    assert usage_consume(account_id=account.pk, metric="reports", units=units).allowed


def window(account) -> tuple[int | None, int, datetime | None]:
    """Limit, used, and when the window that is open ends."""
    (bound,) = quota_status(account_id=account.pk, metric="reports")
    return bound.limit, bound.used, bound.reset_at


@pytest.mark.parametrize("told", ["at once", "weeks late"])
@pytest.mark.parametrize(
    ("source", "target", "limit", "months"),
    [
        pytest.param(("large", "year"), ("large", "month"), 100, 1, id="the year to the month"),
        pytest.param(("large", "year"), ("small", "month"), 10, 1, id="down, by the month"),
        pytest.param(("large", "month"), ("small", "year"), 10, 12, id="down, by the year"),
        pytest.param(("large", "year"), ("small", "year"), 10, 12, id="down, the year goes on"),
        pytest.param(("large", "month"), ("small", "month"), 10, 1, id="down, the month goes on"),
        pytest.param(("large", "year"), ("free", "month"), 2, 1, id="to the free plan"),
    ],
)
def test_from_the_switch_on_windows_are_the_new_periods(periods, source, target, limit, months, told):
    account = person()
    ask(account, *source)
    use(account, 2)
    end = subscription(account).current_period_end
    assert window(account) == (100, 2, end)
    assert ask(account, *target).change.effective_at == end
    periods.to(end - SECOND, sweep=False)
    assert window(account) == (100, 2, end)
    periods.to(end + SECOND, sweep=False)
    anchor = subscription(account).anchor_at if source[1] == target[1] and target[0] != "free" else end
    first, second = _ends(anchor, months, end)
    assert window(account) == (limit, 0, first)
    use(account)
    if told == "weeks late":
        periods.to(end + timedelta(days=20), sweep=False)
    refresh(account)
    assert subscription(account).plan.code == target[0]
    assert window(account) == (limit, 1, first)
    use(account)
    periods.to(first + SECOND)
    assert window(account) == (limit, 0, second)
    use(account)
    assert Bucket.objects.filter(account=account).count() == 3
    assert books.verify_all() == []


def _ends(anchor: datetime, months: int, start: datetime) -> tuple[datetime, datetime]:
    """The ends of the period that begins at `start`, and of the next."""
    count = next(n for n in range(1, 40) if add_months(anchor, n * months) > start)
    return add_months(anchor, count * months), add_months(anchor, (count + 1) * months)


@pytest.mark.parametrize("how", ["by us", "at Stripe"])
def test_an_end_that_is_set_begins_the_free_plans_periods_at_its_instant(periods, how):
    account = person()
    ask(account, "large", "year")
    if how == "by us":
        cancel(account)
    else:
        from billing.gateways.client import api

        api().subscriptions.update(stripe_id(account), {"cancel_at_period_end": True})
        refresh(account)
    end = subscription(account).current_period_end
    periods.to(end + SECOND, sweep=False)
    assert window(account) == (2, 0, add_months(end, 1))
    use(account)
    periods.to(end + timedelta(days=3))
    assert subscription(account).plan.code == "free"
    assert window(account) == (2, 1, add_months(end, 1))
