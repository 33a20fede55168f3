"""The gate where credits pay: allowance, then credits, then a charge, as one split; each key once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from billing import services
from billing.models import OverageCharge
from billing.tests.helpers import fault, forget_keys, no_faults
from billing.tests.stores import credits_of, items, store
from common.clock import database_now
from common.models import IdempotencyRecord
from enterprise.services import spending
from enterprise.tests.conftest import Holder, key_of
from quotas.models import Reservation, UsageRecord
from quotas.services import wallet_grant
from quotas.tests.test_races import at_once

pytestmark = pytest.mark.req("CR-1", "CR-3", "QU-15")

CHECK, CONSUME, BATCH = (f"/v1/b2b/usage/{name}" for name in ("check", "consume", "batch"))


def trader(**more) -> Holder:
    account = store("growth", **more)
    return key_of(account, account.members.get())


def take(holder, units=1, key=None, path=CONSUME):
    headers = {"HTTP_IDEMPOTENCY_KEY": key} if key else {}
    return holder.client.post(path, {"metric": "generations", "units": units}, "json", **headers)


def batch(holder, *operations):
    body = {
        "operations": [{"metric": "generations", "units": units, "key": key} for key, units in operations]
    }
    answer = holder.client.post(BATCH, body, "json")
    assert answer.status_code == 200, answer.content
    return answer.json()["data"]


def standing(holder, stand_in):
    """Units counted, credits left, cents charged, and nothing held."""
    account = holder.account
    assert not Reservation.objects.filter(account_id=account.pk, status="open").exists()
    units = sum(UsageRecord.objects.filter(account_id=account.pk).values_list("units", flat=True))
    return units, credits_of(account), sum(item["amount"] for item in items(stand_in))


class TestConsume:
    def test_credits_then_a_charge_as_one_split(self, trading, stand_in):
        holder = trader(credits_left=2)
        first = take(holder).json()["data"]
        assert (first["split"], first["overage_charge"]) == (
            {"allowance": 0, "credits": 1, "overage": 0},
            None,
        )
        second = take(holder, 3).json()["data"]
        assert second["split"] == {"allowance": 0, "credits": 1, "overage": 2}
        assert (second["allowed"], second["units"]) == (True, 3)
        assert second["overage_charge"]["amount_minor"] == 28
        assert second["overage_charge"]["status"] == "accepted"
        assert UsageRecord.objects.get(pk=second["record_id"]).overage_units == 2
        assert second["quota"]["used"] == 4
        assert standing(holder, stand_in) == (4, 0, 28)

    @pytest.mark.parametrize("credits_left", [0, 2, 9])
    def test_the_same_key_counts_and_charges_once(self, trading, stand_in, credits_left):
        """Also when the kept answer is gone, and when credits have come in between."""
        holder = trader(credits_left=credits_left)
        first = take(holder, 3, key="k")
        before = standing(holder, stand_in)
        IdempotencyRecord.objects.all().delete()
        wallet_grant(
            account_id=holder.account.pk, source="support", units=50, request_id="gift", now=database_now()
        )
        again = take(holder, 3, key="k")
        assert again.status_code == 200
        assert again.json()["data"]["split"] == first.json()["data"]["split"]
        assert again.json()["data"]["record_id"] == first.json()["data"]["record_id"]
        units, left, cents = standing(holder, stand_in)
        assert (units, left - 50, cents) == before

    def test_the_same_key_for_something_else(self, trading, stand_in):
        holder = trader(credits_left=0)
        take(holder, 1, key="k")
        IdempotencyRecord.objects.all().delete()
        assert take(holder, 2, key="k").json()["error"]["code"] == "idempotency_key_reused"
        assert standing(holder, stand_in) == (1, 0, 14)

    @pytest.mark.parametrize("credits_left", [0, 9])
    def test_another_api_keys_idempotency_key_is_another(self, trading, stand_in, credits_left):
        """Else the second till's order would be told the first one's charge, and be free."""
        holder = trader(credits_left=credits_left)
        till = holder.another(name="till two")
        told = [take(one, 2, key="order-7").json()["data"]["record_id"] for one in (holder, till)]
        assert told[0] != told[1]
        batched = [batch(one, ("row", 1))[0]["decision"]["record_id"] for one in (holder, till)]
        assert batched[0] != batched[1]
        units, left, cents = standing(holder, stand_in)
        assert units == 6
        assert (credits_left - left) + cents // 14 == 6

    @pytest.mark.req("CR-5", "CR-9")
    def test_the_cap_refuses_and_nothing_moves(self, trading, stand_in):
        holder = trader(credits_left=1)
        services.spend_cap_set(account=holder.account, actor=None, cap_minor=14, now=database_now())
        refused = take(holder, 3, key="k")
        assert (refused.status_code, refused.json()["error"]["code"]) == (402, "overage_cap_reached")
        assert standing(holder, stand_in) == (0, 1, 0)
        assert take(holder, 2).status_code == 200

    @pytest.mark.req("CR-8")
    @pytest.mark.parametrize("effect", ["drop_after", "error_before"])
    def test_an_unknown_outcome_with_a_key_is_learnt_by_asking_again(self, trading, stand_in, effect):
        holder = trader(credits_left=0)
        fault(stand_in, path="/v1/invoiceitems", effect=effect, times=99)
        unsure = take(holder, 2, key="k")
        error = unsure.json()["error"]
        assert (unsure.status_code, error["code"]) == (503, "payment_provider_unavailable")
        assert error["details"] == {"overage_charge": str(OverageCharge.objects.get().pk)}
        no_faults(stand_in)
        done = take(holder, 2, key="k")
        assert done.json()["data"]["overage_charge"]["status"] == "accepted"
        assert standing(holder, stand_in) == (2, 0, 28)

    @pytest.mark.req("CR-7", "CR-8")
    def test_an_unknown_outcome_without_a_key_is_taken_back(self, trading, stand_in):
        holder = trader(credits_left=0)
        fault(stand_in, path="/v1/invoiceitems", effect="drop_after", times=99)
        assert take(holder, 2).json()["error"]["details"]["reversed"] is False
        no_faults(stand_in)
        forget_keys(stand_in)
        services.overage_charges_sweep(now=database_now() + timedelta(hours=1))
        assert OverageCharge.objects.get().status == "reversed"
        assert standing(holder, stand_in) == (0, 0, 0)

    @pytest.mark.parametrize("length", [1, 200, 201, 255])
    def test_keys_of_every_length(self, trading, stand_in, length):
        holder = trader(credits_left=0)
        for _ in range(2):
            assert take(holder, 1, key="k" * length).status_code == 200
            IdempotencyRecord.objects.all().delete()
        assert standing(holder, stand_in) == (1, 0, 14)

    def test_many_at_once(self, trading, stand_in):
        holder = trader(credits_left=3)
        answers = at_once(8, lambda number: take(holder, 1, key=f"k{number}"))
        assert [answer.status_code for answer in answers] == [200] * 8
        splits = [answer.json()["data"]["split"] for answer in answers]
        assert sum(split["credits"] for split in splits) == 3
        assert standing(holder, stand_in) == (8, 0, 5 * 14)


class TestCheck:
    def test_says_what_would_be_and_does_nothing(self, trading, stand_in):
        holder = trader(credits_left=1)
        told = take(holder, 3, path=CHECK).json()["data"]
        assert (told["allowed"], told["split"]) == (True, {"allowance": 0, "credits": 1, "overage": 2})
        assert standing(holder, stand_in) == (0, 1, 0)

    @pytest.mark.req("CR-5")
    def test_beyond_the_cap_it_says_no(self, trading, stand_in):
        holder = trader(credits_left=1)
        services.spend_cap_set(account=holder.account, actor=None, cap_minor=27, now=database_now())
        assert take(holder, 3, path=CHECK).json()["data"]["allowed"] is False
        assert take(holder, 2, path=CHECK).json()["data"]["allowed"] is True

    def test_beyond_what_an_invoice_can_ask_for_it_says_no(self, trading, stand_in):
        holder = trader(credits_left=0)
        assert take(holder, 10**9, path=CHECK).json()["data"]["allowed"] is False
        refused = take(holder, 10**9)
        assert (refused.status_code, refused.json()["error"]["code"]) == (402, "overage_charge_failed")
        assert standing(holder, stand_in) == (0, 0, 0)

    def test_without_certainty_it_says_no(self, trading, stand_in):
        holder = trader(credits_left=0)
        subscription = services.overage.live_subscription(holder.account.pk)
        type(subscription).objects.filter(pk=subscription.pk).update(status="past_due")
        assert take(holder, 1, path=CHECK).json()["data"]["allowed"] is False


class TestBatch:
    def test_each_gets_its_split_in_order_and_again_the_same(self, trading, stand_in):
        holder = trader(credits_left=3)
        first = batch(holder, ("a", 2), ("b", 2), ("c", 1), ("d", 1))
        assert [one["key"] for one in first] == ["a", "b", "c", "d"]
        assert [one["status"] for one in first] == [200] * 4
        assert standing(holder, stand_in) == (6, 0, 42)
        assert sum(one["decision"]["split"]["overage"] for one in first) == 3
        again = batch(holder, ("a", 2), ("b", 2), ("c", 1), ("d", 1))
        assert [one["decision"]["record_id"] for one in again] == [
            one["decision"]["record_id"] for one in first
        ]
        assert standing(holder, stand_in) == (6, 0, 42)

    @pytest.mark.req("CR-5")
    def test_the_cap_refuses_some(self, trading, stand_in):
        holder = trader(credits_left=0)
        services.spend_cap_set(account=holder.account, actor=None, cap_minor=30, now=database_now())
        told = batch(holder, ("a", 1), ("b", 2), ("c", 1))
        assert [one["status"] for one in told] == [200, 402, 200]
        assert told[1]["error"]["code"] == "overage_cap_reached"
        assert standing(holder, stand_in) == (2, 0, 28)

    def test_so_many_charges_and_no_more(self, trading, stand_in, monkeypatch):
        monkeypatch.setattr(spending, "MOST_CHARGES", 2)
        holder = trader(credits_left=1)
        asked = [(f"k{number}", 1) for number in range(5)]
        told = batch(holder, *asked)
        assert [one["status"] for one in told] == [200, 200, 200, 503, 503]
        assert told[3]["error"]["details"] == {"reason": "too_many_charges"}
        assert standing(holder, stand_in) == (3, 0, 28)
        assert [one["status"] for one in batch(holder, *asked)] == [200, 200, 200, 503, 503]
        assert [one["status"] for one in batch(holder, *asked[3:])] == [200, 200]
        assert standing(holder, stand_in) == (5, 0, 56)


class TestReserve:
    def reserve(self, holder, units=1, key=None):
        return take(holder, units, key, "/v1/b2b/usage/reservations")

    def test_goes_as_far_as_credits_do_and_says_what_to_do_beyond(self, trading, stand_in):
        """A charge must be accepted before the work, and only after it is known how much of a reservation was used."""
        holder = trader(credits_left=2)
        before = standing(holder, stand_in)
        refused = self.reserve(holder, 3, key="r")
        error = refused.json()["error"]
        assert (refused.status_code, error["code"]) == (402, "insufficient_credits")
        assert error["details"]["reason"] == "reservations_are_not_charged"
        assert error["details"]["remedies"][0] == {"action": "consume", "url": "/v1/docs"}
        assert error["details"]["credits"] == {"balance_units": 2, "needed_units": 3}
        assert standing(holder, stand_in) == before
        assert self.reserve(holder, 2).status_code == 201
        assert take(holder, 3).json()["data"]["overage_charge"]["units"] == 3, "consuming as much is charged"

    def test_where_nothing_could_be_charged_it_does_not_offer_it(self, trading, stand_in):
        holder = trader(credits_left=0)
        subscription = services.overage.live_subscription(holder.account.pk)
        type(subscription).objects.filter(pk=subscription.pk).update(status="past_due")
        error = self.reserve(holder).json()["error"]
        assert error["code"] == "insufficient_credits"
        assert "reason" not in error["details"]
        assert "consume" not in [one["action"] for one in error["details"]["remedies"]]
        assert standing(holder, stand_in) == (0, 0, 0)
