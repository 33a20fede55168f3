"""The gate for other languages: check, consume, batch, reserve, settle, release."""

from __future__ import annotations

from datetime import timedelta

import pytest

from common.models import AuditEntry
from enterprise import metrics
from enterprise.enums import Scope
from enterprise.tests.conftest import Holder
from enterprise.tests.helpers import METRIC, block, charged, contract, counted, move_clock
from quotas.models import UsageRecord
from quotas.selectors import quota_status

pytestmark = pytest.mark.req("QU-15")

USAGE = "/v1/b2b/usage"


def post(holder: Holder, path: str, body=None, key: str | None = None):
    headers = {"HTTP_IDEMPOTENCY_KEY": key} if key else {}
    return holder.client.post(f"{USAGE}/{path}", body or {}, "json", **headers)


def consume(holder: Holder, units=1, key=None, **more):
    return post(holder, "consume", {"metric": METRIC, "units": units, **more}, key)


def error_of(answer, code: str) -> dict:
    error = answer.json()["error"]
    assert error["code"] == code, error
    return error


def value(counter, *labels) -> float:
    return counter.labels(*labels)._value.get()


def test_check_has_no_effect(metered: Holder):
    contract(metered.account, block(5))
    answer = post(metered, "check", {"metric": METRIC, "units": 5}).json()["data"]
    assert (answer["allowed"], answer["units"], answer["record_id"]) == (True, 5, None)
    refused = post(metered, "check", {"metric": METRIC, "units": 6})
    assert refused.status_code == 200
    assert refused.json()["data"]["allowed"] is False
    assert [bound["allows"] for bound in refused.json()["data"]["bounds"]] == [False]
    assert counted(metered.account) == (0, 0)


def test_consume_counts_for_account_and_key(metered: Holder):
    contract(metered.account, block(10), block(100, "month"))
    other = metered.another()
    before = value(metrics.EVENTS, METRIC)
    first = consume(metered, 3, subject="row 7")
    assert first.status_code == 200
    data = first.json()["data"]
    assert (data["allowed"], data["split"]) == (True, {"allowance": 3, "credits": 0, "overage": 0})
    assert (data["quota"]["window"], data["quota"]["remaining"]) == ("day", 7)
    assert (first["X-Quota-Limit"], first["X-Quota-Remaining"]) == ("10", "7")
    consume(other, 4)
    rows = UsageRecord.objects.order_by("units").values_list("units", "credential_id", "subject")
    assert list(rows) == [(3, metered.credential.pk, "row 7"), (4, other.credential.pk, "")]
    assert str(UsageRecord.objects.get(units=3).pk) == data["record_id"]
    assert value(metrics.EVENTS, METRIC) == before + 2


@pytest.mark.req("EN-4", "EN-6", "EN-9")
def test_over_the_limit(metered: Holder):
    contract(metered.account, block(5))
    consume(metered, 4)
    before = value(metrics.EXCEEDED, METRIC, "day")
    answer = consume(metered, 2)
    assert answer.status_code == 429
    error = error_of(answer, "b2b_quota_exceeded")
    details = error["details"]
    told = {name: details[name] for name in ("metric", "window", "limit", "used", "remaining", "requested")}
    assert told == {"metric": METRIC, "window": "day", "limit": 5, "used": 4, "remaining": 1, "requested": 2}
    assert details["request_id"] == error["request_id"] == answer["X-Request-Id"]
    assert details["bounds"][0]["allows"] is False
    assert {remedy["action"] for remedy in details["remedies"]} == {"wait", "contact"}
    assert int(answer["Retry-After"]) > 0
    assert answer["X-Quota-Remaining"] == "1"
    assert counted(metered.account) == (4, 4)
    consume(metered, 2)
    assert value(metrics.EXCEEDED, METRIC, "day") == before + 2
    (entry,) = AuditEntry.objects.filter(action="limit.refused")
    assert (entry.account_id, entry.subject, entry.data["limit"]) == (metered.account.pk, METRIC, 5)


@pytest.mark.req("EN-4")
def test_past_a_charged_limit_it_is_served_and_counted(metered: Holder):
    contract(metered.account, charged(5))
    assert consume(metered, 4).json()["data"]["split"]["overage"] == 0
    data = consume(metered, 3).json()["data"]
    assert data["split"] == {"allowance": 1, "credits": 0, "overage": 2}
    quota = data["quota"]
    assert (quota["used"], quota["limit"], quota["overage_units"], quota["remaining"]) == (7, 5, 2, 0)


def test_a_key_counts_once(metered: Holder):
    contract(metered.account, block(5))
    answers = [consume(metered, 2, "same") for _ in range(3)]
    assert len({answer.content for answer in answers}) == 1
    assert answers[1]["Idempotent-Replayed"] == "true"
    assert counted(metered.account) == (2, 2)
    error_of(consume(metered, 3, "same"), "idempotency_key_reused")
    assert counted(metered.account) == (2, 2)


def test_an_idempotency_key_is_its_api_keys_own(metered: Holder):
    """Two tills number their orders alike; each order counts."""
    contract(metered.account, block(9))
    till = metered.another(name="till two")
    for holder in (metered, till, metered, till):
        assert consume(holder, 2, "order-7").status_code == 200
    assert counted(metered.account) == (4, 4)
    one = {"operations": [{"key": "row-1", "metric": METRIC}]}
    told = [post(holder, "batch", one).json()["data"][0] for holder in (metered, till, metered)]
    assert [result["status"] for result in told] == [200, 200, 200]
    assert told[0]["decision"]["record_id"] == told[2]["decision"]["record_id"]
    assert counted(metered.account) == (6, 6)


def test_an_idempotency_key_is_its_addresss_own(metered: Holder):
    """Whoever numbers their retries by the order settles each order's reservation with the same number."""
    contract(metered.account, block(9))
    for _ in range(2):
        id_ = post(metered, "reservations", {"metric": METRIC, "units": 2}).json()["data"]["id"]
        assert post(metered, f"reservations/{id_}/settle", {"units": 1}, "k").status_code == 200
        id_ = post(metered, "reservations", {"metric": METRIC, "units": 2}).json()["data"]["id"]
        assert post(metered, f"reservations/{id_}/release", None, "k").status_code == 200
    assert counted(metered.account) == (2, 2)
    assert quota_status(account_id=metered.account.pk)[0].reserved == 0


def test_a_check_is_of_now_whatever_key_it_carries(metered: Holder):
    contract(metered.account, block(3))
    asked = {"metric": METRIC, "units": 2}
    assert post(metered, "check", asked, "k").json()["data"]["allowed"] is True
    consume(metered, 2)
    assert post(metered, "check", asked, "k").json()["data"]["allowed"] is False


@pytest.mark.req("EN-4")
def test_check_tells_what_would_be_charged(metered: Holder):
    contract(metered.account, charged(5))
    consume(metered, 4)
    told = post(metered, "check", {"metric": METRIC, "units": 3}).json()["data"]
    assert told["split"] == {"allowance": 1, "credits": 0, "overage": 2}
    assert consume(metered, 3).json()["data"]["split"] == told["split"]


@pytest.mark.parametrize("units", [0, -1, 2**63, 10**9 + 1, 1.5, "3", True, None, [1], "\u0000"])
@pytest.mark.parametrize("path", ["check", "consume", "reservations"])
def test_units_that_are_none(metered: Holder, path, units):
    contract(metered.account, charged(5))
    answer = post(metered, path, {"metric": METRIC, "units": units})
    assert answer.status_code in (400, 422)
    assert counted(metered.account) == (0, 0)
    assert quota_status(account_id=metered.account.pk)[0].reserved == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"metric": "nothing"}, 422),
        ({"metric": ""}, 422),
        ({}, 422),
        ({"metric": METRIC, "unit": 1}, 422),
        ({"metric": METRIC, "subject": "x" * 201}, 422),
        ({"metric": METRIC, "subject": None}, 422),
        ([], 400),
    ],
)
def test_other_bad_requests(metered: Holder, body, status):
    contract(metered.account, charged(5))
    answer = metered.client.post(f"{USAGE}/consume", body, "json")
    assert answer.status_code == status, answer.content
    assert counted(metered.account) == (0, 0)


@pytest.mark.req("EN-1")
def test_a_contract_that_ended_a_second_ago_allows_nothing(metered: Holder):
    ends_at = contract(metered.account, block(5), ends_at=_in(timedelta(minutes=10))).ends_at
    assert consume(metered).status_code == 200
    move_clock(ends_at - _in(timedelta(seconds=-1)))
    answer = consume(metered)
    assert answer.status_code == 402
    error_of(answer, "no_active_subscription")
    assert counted(metered.account) == (1, 1)


def _in(span: timedelta):
    from common.clock import database_now

    return database_now() + span


class TestBatch:
    def send(self, holder: Holder, *operations):
        return post(holder, "batch", {"operations": list(operations)})

    def test_in_order_and_each_for_itself(self, metered: Holder):
        contract(metered.account, block(5))
        answer = self.send(
            metered,
            {"key": "a", "metric": METRIC, "units": 3},
            {"key": "b", "metric": "nothing"},
            {"key": "c", "metric": METRIC, "units": 3},
            {"key": "a", "metric": METRIC, "units": 3},
            {"key": "d", "metric": METRIC, "units": 2},
            {"key": "a", "metric": METRIC, "units": 1},
        )
        assert answer.status_code == 200
        results = answer.json()["data"]
        assert [(one["key"], one["status"]) for one in results] == [
            ("a", 200),
            ("b", 422),
            ("c", 429),
            ("a", 200),
            ("d", 200),
            ("a", 422),
        ]
        assert [one["error"] and one["error"]["code"] for one in results] == [
            None,
            "unknown_metric",
            "b2b_quota_exceeded",
            None,
            None,
            "idempotency_key_reused",
        ]
        assert results[0]["decision"]["record_id"] == results[3]["decision"]["record_id"]
        assert counted(metered.account) == (5, 5)
        again = self.send(metered, {"key": "d", "metric": METRIC, "units": 2})
        assert again.json()["data"][0]["decision"] == results[4]["decision"]
        assert counted(metered.account) == (5, 5)

    def test_a_thousand(self, metered: Holder):
        contract(metered.account, block(990))
        operations = [{"key": f"k{n}", "metric": METRIC} for n in range(1000)]
        results = self.send(metered, *operations).json()["data"]
        assert [one["key"] for one in results] == [one["key"] for one in operations]
        assert [one["status"] for one in results] == [200] * 990 + [429] * 10
        assert counted(metered.account) == (990, 990)

    @pytest.mark.parametrize(
        "operations",
        [
            [],
            [{"key": f"k{n}", "metric": METRIC} for n in range(1001)],
            [{"key": "a", "metric": METRIC}, {"metric": METRIC}],
            [{"key": "a", "metric": METRIC}, {"key": "", "metric": METRIC}],
            [{"key": "a", "metric": METRIC}, {"key": "é", "metric": METRIC}],
            [{"key": "a", "metric": METRIC}, {"key": "k" * 256, "metric": METRIC}],
            [{"key": "a", "metric": METRIC}, {"key": "b", "metric": METRIC, "units": 0}],
            [{"key": "a", "metric": METRIC}, 7],
        ],
    )
    def test_what_is_no_batch_counts_nothing(self, metered: Holder, operations):
        contract(metered.account, block(2000))
        answer = self.send(metered, *operations)
        assert answer.status_code == 422, answer.content
        assert counted(metered.account) == (0, 0)


class TestReservations:
    def reserve(self, holder: Holder, units=3, **more):
        return post(holder, "reservations", {"metric": METRIC, "units": units, **more})

    def test_settled_in_part(self, metered: Holder):
        contract(metered.account, block(5))
        made = self.reserve(metered)
        assert made.status_code == 201
        data = made.json()["data"]
        assert (data["allowed"], data["quota"]["reserved"], data["record_id"]) == (True, 3, None)
        assert counted(metered.account) == (0, 0)
        settled = post(metered, f"reservations/{data['id']}/settle", {"units": 2}).json()["data"]
        assert (settled["units"], settled["quota"]["used"], settled["quota"]["reserved"]) == (2, 2, 0)
        assert counted(metered.account) == (2, 2)
        assert UsageRecord.objects.get().credential_id == metered.credential.pk
        for action in ("settle", "release"):
            answer = post(metered, f"reservations/{data['id']}/{action}")
            assert answer.status_code == 409
            error_of(answer, "reservation_closed")
        assert counted(metered.account) == (2, 2)

    def test_more_than_reserved(self, metered: Holder):
        contract(metered.account, block(5))
        id_ = self.reserve(metered).json()["data"]["id"]
        error_of(post(metered, f"reservations/{id_}/settle", {"units": 4}), "validation_error")
        assert quota_status(account_id=metered.account.pk)[0].reserved == 3
        assert post(metered, f"reservations/{id_}/release").json()["data"]["units"] == 0
        assert counted(metered.account) == (0, 0)

    def test_what_is_set_aside_is_not_for_others(self, metered: Holder):
        contract(metered.account, block(5))
        self.reserve(metered, 3)
        assert consume(metered, 3).status_code == 429
        assert self.reserve(metered, 3).status_code == 429
        assert counted(metered.account) == (0, 0)

    def test_expired(self, metered: Holder):
        contract(metered.account, block(5))
        id_ = self.reserve(metered, 5, ttl_s=60).json()["data"]["id"]
        move_clock(timedelta(seconds=61))
        assert consume(metered, 5).status_code == 200
        error_of(post(metered, f"reservations/{id_}/settle"), "reservation_closed")
        assert counted(metered.account) == (5, 5)

    @pytest.mark.parametrize("ttl", [0, 3601, -5, "60", 1.5])
    def test_times_to_live_that_are_none(self, metered: Holder, ttl):
        contract(metered.account, block(5))
        assert self.reserve(metered, 1, ttl_s=ttl).status_code == 422
        assert quota_status(account_id=metered.account.pk)[0].reserved == 0


def test_a_key_without_the_scope_counts_nothing(metered: Holder):
    contract(metered.account, block(5))
    reader = metered.another(Scope.USAGE_READ)
    assert consume(reader).status_code == 403
    assert counted(metered.account) == (0, 0)
