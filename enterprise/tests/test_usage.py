"""What an organisation used, told in every form; all of it the same figures."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from rest_framework.test import APIClient

from accounts.tests.factories import bearer
from common import clock
from common.csv_files import harmless
from enterprise.rules.costs import Priced, merged, projected_units, total_minor
from enterprise.services import contract_amend
from enterprise.tests.conftest import Holder, key_of, organisation
from enterprise.tests.helpers import METRIC, block, charged, contract, move_clock, move_clock_to
from quotas.services import usage_consume

pytestmark = pytest.mark.req("EN-5", "QU-13")

USAGE = "/v1/b2b/usage"


def use(holder: Holder, units: int, **more) -> None:
    decision = usage_consume(
        account_id=holder.account.pk, metric=METRIC, units=units, credential_id=holder.credential.pk, **more
    )
    assert decision.allowed


def get(holder: Holder, path: str, **query):
    answer = holder.client.get(f"{USAGE}/{path}", query)
    assert answer.status_code == 200, answer.content
    return answer.json()["data"]


def first_of_month():
    return clock.database_now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)


class TestSummary:
    def test_everything_of_one_moment(self, metered: Holder):
        agreement = contract(metered.account, charged(10), block(1000, "month"), starts_at=first_of_month())
        other = metered.another(name="other")
        use(metered, 12)
        use(other, 3)
        usage_consume(account_id=metered.account.pk, metric=METRIC, units=1)
        data = get(metered, "summary")
        assert data["account"] == {"id": str(metered.account.public_id), "name": metered.account.name}
        assert data["contract"]["id"] == str(agreement.public_id)
        assert data["metric"] == METRIC
        windows = {one["window"]: one for one in data["windows"]}
        assert set(windows) == {"day", "month", "period"}
        assert [windows[w]["used"] for w in ("day", "month", "period")] == [16, 16, 16]
        assert [windows[w]["limit"] for w in ("day", "month", "period")] == [10, 1000, None]
        assert (windows["day"]["overage_units"], windows["day"]["remaining"]) == (6, 0)
        assert windows["day"]["overage_cost"] == {"amount_minor": 12, "currency": "usd"}
        assert data["cost_so_far"] == {"amount_minor": 12, "currency": "usd"}
        assert data["projected_cost"]["amount_minor"] >= 12
        told = [(one["name"], one["day_units"], one["month_units"]) for one in data["by_credential"]]
        assert told == [("main", 12, 12), ("other", 3, 3), ("", 1, 1)]
        assert sum(one["day_units"] for one in data["by_credential"]) == windows["day"]["used"]
        assert data["cumulative_units"] == 16

    def test_without_a_contract(self, metered: Holder):
        data = get(metered, "summary")
        assert (data["contract"], data["cumulative_units"]) == (None, 0)
        assert [(one["window"], one["limit"], one["used"]) for one in data["windows"]] == [
            ("day", None, 0),
            ("month", None, 0),
        ]

    def test_unknown_metric(self, metered: Holder):
        answer = metered.client.get(f"{USAGE}/summary", {"metric": "nothing"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "unknown_metric")

    def test_of_another_metric(self, metered: Holder):
        from enterprise.rules.contracts import LimitTerms

        contract(metered.account, block(5), LimitTerms("seats", "capacity", 3))
        data = get(metered, "summary", metric="seats")
        assert [(one["window"], one["limit"]) for one in data["windows"] if one["limit"]] == [("capacity", 3)]


class TestCosts:
    def test_a_price_that_changes_within_the_period(self, metered: Holder):
        tomorrow = clock.database_now() + timedelta(days=1)
        move_clock_to(tomorrow.replace(hour=12))  # the minutes that pass are of one day
        agreement = contract(
            metered.account, charged(10, "2"), starts_at=clock.database_now() - timedelta(days=3)
        )
        use(metered, 12)
        move_clock(timedelta(minutes=5))
        contract_amend(
            contract=agreement,
            limits=[charged(10, "0.35")],
            ends_at=None,
            actor=None,
            reason="cheaper",
            now=clock.database_now(),
        )
        use(metered, 3)
        data = get(metered, "summary")
        assert data["cost_so_far"]["amount_minor"] == 2 * 2 + 1  # 3 x 0.35 = 1.05
        assert next(one for one in data["windows"] if one["window"] == "day")["used"] == 15

    def test_lines_are_rounded_once(self):
        lines = merged(
            [Priced("a", 1, Decimal("0.5")), Priced("a", 2, Decimal("0.5")), Priced("b", 0, Decimal(1))]
        )
        assert lines == [Priced("a", 3, Decimal("0.5"))]
        assert total_minor(lines) == 2

    @pytest.mark.parametrize(
        ("units", "limit", "days_seen", "expected"),
        [
            (0, None, 10, 0),
            (10, None, 10, 30),
            (10, None, 0, 300),
            (200, 500, 10, 100),
            (100, 500, 10, 0),
            (7, 5, 30, 2),
        ],
    )
    def test_projection(self, units, limit, days_seen, expected):
        start = datetime(2026, 4, 1, tzinfo=UTC)
        assert (
            projected_units(
                units=units,
                limit=limit,
                start=start,
                end=start + timedelta(days=30),
                at=start + timedelta(days=days_seen),
            )
            == expected
        )


class TestSeries:
    def test_by_hour_day_and_month(self, metered: Holder):
        contract(metered.account, block(1000))
        other = metered.another()
        use(metered, 2)
        use(other, 3)
        today = clock.database_now().date()
        for granularity, points in (("hour", 24), ("day", 1), ("month", 1)):
            query = {"from": str(today), "to": str(today), "granularity": granularity}
            data = get(metered, "series", **query)
            assert len(data["series"]) == points
            assert data["total_units"] == sum(one["units"] for one in data["series"]) == 5
            mine = get(metered, "series", **query, credential=str(other.credential.public_id))
            assert mine["total_units"] == 3

    def test_the_last_thirty_days_when_none_are_named(self, metered: Holder):
        contract(metered.account, block(1000))
        use(metered, 1)
        data = get(metered, "series")
        assert len(data["series"]) == 30
        assert data["series"][-1]["units"] == 1

    @pytest.mark.parametrize(
        "query",
        [
            {"from": "2026-02-30"},
            {"from": "yesterday"},
            {"from": "2026-03-02", "to": "2026-03-01"},
            {"from": "2000-01-01", "to": "2026-01-01"},
            {"from": "2026-01-01", "to": "2026-02-15", "granularity": "hour"},
            {"from": "0001-01-01"},
            {"to": "9999-12-31"},
            {"granularity": "week"},
            {"credential": "all"},
            {"form": "2026-01-01"},
        ],
    )
    def test_bad_questions(self, metered: Holder, query):
        answer = metered.client.get(f"{USAGE}/series", query)
        assert answer.status_code == 422, answer.content


class TestDaysRecordsCsv:
    def prepare(self, metered: Holder) -> Holder:
        contract(metered.account, charged(4))
        other = metered.another(name="other")
        use(metered, 3, subject="=HYPERLINK(1)", request_id="r-1")
        use(other, 2, subject="@SUM", request_id="r-2")
        use(other, 2, subject='plain, "quoted"\nline')
        return other

    def test_all_say_the_same(self, metered: Holder):
        other = self.prepare(metered)
        days = get(metered, "daily")
        assert [(one["credential"], one["units"], one["overage_units"]) for one in days] == [
            (str(metered.credential.public_id), 3, 0),
            (str(other.credential.public_id), 4, 3),
        ]
        records = get(metered, "records")
        assert [one["units"] for one in records] == [2, 2, 3]
        assert [one["overage_units"] for one in records] == [2, 1, 0]
        rows = self.csv(metered)
        assert [row["id"] for row in rows] == [one["id"] for one in records]
        assert sum(int(row["units"]) for row in rows) == sum(one["units"] for one in days) == 7
        assert [row["subject"] for row in rows] == ['plain, "quoted"\nline', "'@SUM", "'=HYPERLINK(1)"]
        assert {row["credential"] for row in rows} == {one["credential"] for one in days}

    def csv(self, holder: Holder, **query) -> list[dict]:
        answer = holder.client.get(f"{USAGE}/report.csv", query)
        assert answer.streaming
        assert answer["Content-Type"].startswith("text/csv")
        assert "attachment" in answer["Content-Disposition"]
        return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))

    def test_filters(self, metered: Holder):
        other = self.prepare(metered)
        key = str(other.credential.public_id)
        assert [one["units"] for one in get(metered, "records", credential=key)] == [2, 2]
        assert len(get(metered, "daily", credential=key)) == 1
        assert len(self.csv(metered, credential=key)) == 2
        assert len(self.csv(metered, **{"from": "2001-01-01", "to": "2001-01-31"})) == 0
        assert get(metered, "records", metric="seats") == []

    def test_pages(self, metered: Holder):
        self.prepare(metered)
        first = metered.client.get(f"{USAGE}/records", {"limit": 2}).json()
        second = metered.client.get(
            f"{USAGE}/records", {"limit": 2, "cursor": first["meta"]["next_cursor"]}
        ).json()
        assert [one["units"] for one in first["data"] + second["data"]] == [2, 2, 3]
        assert second["meta"]["next_cursor"] is None
        days = metered.client.get(f"{USAGE}/daily", {"limit": 1}).json()
        rest = metered.client.get(
            f"{USAGE}/daily", {"limit": 1, "cursor": days["meta"]["next_cursor"]}
        ).json()
        assert [one["units"] for one in days["data"] + rest["data"]] == [3, 4]

    @pytest.mark.req("EN-11")
    @pytest.mark.parametrize("path", ["daily", "series", "records", "report.csv"])
    def test_a_foreign_key_is_an_unknown_one(self, metered: Holder, path):
        stranger = key_of(*organisation())
        told = []
        for credential in (str(stranger.credential.public_id), "00000000-0000-4000-8000-000000000000"):
            answer = metered.client.get(f"{USAGE}/{path}", {"credential": credential})
            told.append((answer.status_code, answer.json()["error"] | {"request_id": ""}))
        assert told[0] == told[1]
        assert told[0][0] == 404

    def test_strangers_see_nothing(self, metered: Holder):
        self.prepare(metered)
        stranger = key_of(*organisation())
        assert get(stranger, "daily") == get(stranger, "records") == []
        assert get(stranger, "series", metric=METRIC)["total_units"] == 0

    def test_the_owner_sees_the_same_by_token(self, metered: Holder):
        self.prepare(metered)
        person = bearer(metered.owner)
        series = APIClient().get("/v1/account/usage", **person).json()["data"]
        assert (series["metric"], series["total_units"]) == (METRIC, 7)
        records = APIClient().get("/v1/account/usage/records", **person).json()["data"]
        assert [one["units"] for one in records] == [2, 2, 3]
        answer = APIClient().get("/api/account/usage/report.csv", **person)
        assert len(list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode())))) == 4


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "\tx", "\rx"])
def test_formulas_do_nothing(text):
    assert harmless(text) == f"'{text}"


def test_figures_stay_figures():
    assert [harmless(value) for value in (-1, "a=b", None, "")] == [-1, "a=b", "", ""]
