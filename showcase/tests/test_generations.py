"""A job is paid before it is queued, once; and work that is not done costs nothing."""

from __future__ import annotations

from datetime import timedelta
from xml.etree import ElementTree as ET

import pytest

from billing import services
from billing.models import OverageCharge
from billing.tests.helpers import fault, forget_keys, no_faults
from billing.tests.stores import credits_of, items, moves
from common.clock import database_now
from enterprise.tests.conftest import _samplers_forget, key_of, metered, organisation  # noqa: F401 - fixtures
from quotas.models import UsageRecord
from showcase.models import Chart, Generation
from showcase.tests.generations import (
    PATH,
    order,
    paid,
    sweep,
    the_job,
    trader,
    untouched,
    use_broker,
)

pytestmark = pytest.mark.req("EN-7")


@pytest.fixture
def queue(monkeypatch):
    return use_broker(monkeypatch)


def told(holder, answer):
    """The job as its owner sees it now."""
    return holder.client.get(f"{PATH}/{answer.json()['data']['id']}").json()["data"]


class TestPaying:
    def test_credits_pay(self, trading, stand_in, queue):
        holder = trader("growth", credits_left=3)
        answer = order(holder, count=2)
        assert answer.status_code == 202
        data = answer.json()["data"]
        assert data["status"] == "queued"
        assert data["split"] == {"allowance": 0, "credits": 2, "overage": 0}
        assert data["overage_charge"] is None
        assert queue.sent == [data["id"]]
        assert paid(holder.account, stand_in) == (2, 1, 0)
        assert queue.work() == 1
        assert told(holder, answer)["status"] == "done"
        assert queue.work() == 0

    @pytest.mark.req("CR-3", "CR-4", "CR-5", "CR-6")
    def test_past_the_credits_a_unit_costs_14_cents(self, trading, stand_in, queue):
        holder = trader("growth", credits_left=0)
        answer = order(holder)
        data = answer.json()["data"]
        assert (answer.status_code, data["split"]) == (202, {"allowance": 0, "credits": 0, "overage": 1})
        charge = OverageCharge.objects.get()
        assert data["overage_charge"] == {
            "id": str(charge.pk),
            "status": "accepted",
            "units": 1,
            "amount_minor": 14,
            "currency": "usd",
        }
        assert the_job().overage_charge_id == charge.pk
        assert charge.work_ref == f"generation:{data['id']}"
        assert paid(holder.account, stand_in) == (1, 0, 14)
        assert UsageRecord.objects.get().subject == f"generation:{data['id']}"
        queue.work()
        assert told(holder, answer)["status"] == "done"

    @pytest.mark.req("CR-3", "CR-5", "CR-9")
    def test_refused_nothing_is_taken_and_nothing_queued(self, trading, stand_in, queue):
        holder = trader("growth", credits_left=1)
        before = paid(holder.account, stand_in)
        services.spend_cap_set(account=holder.account, actor=None, cap_minor=13, now=database_now())
        answer = order(holder, count=2, key="k")
        assert (answer.status_code, answer.json()["error"]["code"]) == (402, "overage_cap_reached")
        assert queue.sent == []
        assert untouched(holder.account, stand_in, before)
        assert (the_job().status, the_job().error_code) == ("failed", "overage_cap_reached")
        services.spend_cap_set(account=holder.account, actor=None, cap_minor=14, now=database_now())
        assert order(holder, count=2, key="another").status_code == 202

    @pytest.mark.req("CR-3")
    def test_without_subscription(self, trading, stand_in, queue):
        holder = trader(None)
        answer = order(holder)
        assert (answer.status_code, answer.json()["error"]["code"]) == (402, "no_active_subscription")
        assert untouched(holder.account, stand_in, (0, 0, 0))

    def test_the_same_request_is_one_job_and_one_charge(self, trading, stand_in, queue):
        holder = trader("growth", credits_left=0)
        first, again = order(holder, key="k"), order(holder, key="k")
        assert again.content == first.content
        assert paid(holder.account, stand_in) == (1, 0, 14)
        assert order(holder, key="k", count=2).json()["error"]["code"] == "idempotency_key_reused"
        assert Generation.objects.count() == 1


class TestTheQueueIsAway:
    @pytest.mark.req("CR-7")
    @pytest.mark.parametrize("credits_left", [0, 1, 5])
    def test_what_was_taken_is_given_back_and_told_so(self, trading, stand_in, queue, credits_left):
        holder = trader("growth", credits_left=credits_left)
        before = paid(holder.account, stand_in)
        queue.is_up = False
        answer = order(holder, count=2, key="k")
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (503, "queue_unavailable")
        assert error["details"] == {"reversed": True, "generation": str(the_job().pk)}
        assert untouched(holder.account, stand_in, before)
        assert sum(units for _, units, _ in moves(holder.account)) == credits_left
        assert the_job().status == "reversed"
        queue.is_up = True
        again = order(holder, count=2, key="k")
        assert again.status_code == 202, "the same request may be sent again, and is a new job"
        assert paid(holder.account, stand_in) == (2, max(credits_left - 2, 0), 14 * max(2 - credits_left, 0))

    @pytest.mark.req("CR-7", "CR-8")
    def test_while_stripe_does_not_take_it_back_the_caller_hears_so_and_it_is_done_later(
        self,
        trading,
        stand_in,
        queue,
    ):
        holder = trader("growth", credits_left=0)
        queue.is_up = False
        fault(stand_in, path="/v1/invoiceitems/", method="DELETE", effect="error_before", times=99)
        answer = order(holder)
        assert answer.json()["error"]["details"]["reversed"] is False
        assert told_state(holder) == ("reversed", "accepted")
        no_faults(stand_in)
        assert len(sweep().taken_back) == 1
        assert untouched(holder.account, stand_in, (0, 0, 0))
        assert told_state(holder) == ("reversed", "reversed")
        assert sweep().taken_back == []

    @pytest.mark.req("CR-7")
    def test_sent_again_before_it_is_taken_back_it_is_not_told_as_ordered(
        self, trading, stand_in, queue, monkeypatch
    ):
        """An answer of 202 would stand for the key for a day, though nothing will be drawn."""
        holder = trader("growth", credits_left=0)
        queue.is_up = False
        fault(stand_in, path="/v1/invoiceitems/", method="DELETE", effect="error_before", times=99)
        for _ in range(2):
            error = order(holder, key="k").json()["error"]
            assert (error["code"], error["details"]["reversed"]) == ("queue_unavailable", False)
        no_faults(stand_in)
        error = order(holder, key="k").json()["error"]
        assert (error["code"], error["details"]["reversed"]) == ("queue_unavailable", True)
        queue.is_up = True
        assert order(holder, key="k").status_code == 202
        assert Generation.objects.count() == 2
        assert paid(holder.account, stand_in) == (1, 0, 14)

    def test_a_broker_that_took_it_and_did_not_say_so(self, trading, stand_in, queue, monkeypatch):
        """A worker has the job before the request gives it up: it is queued, and stays paid."""
        holder = trader("growth", credits_left=0)
        send = queue.send

        def lost(task, job_id):
            send(task, job_id)
            queue.work()
            return False

        monkeypatch.setattr("common.broker.send", lost)
        answer = order(holder)
        assert (answer.status_code, answer.json()["data"]["status"]) == (202, "done")
        assert paid(holder.account, stand_in) == (1, 0, 14)

    def test_a_worker_that_comes_after_it_was_given_up_does_nothing(
        self, trading, stand_in, queue, monkeypatch
    ):
        holder = trader("growth", credits_left=0)
        send = queue.send
        monkeypatch.setattr("common.broker.send", lambda *what: send(*what) and False)
        assert order(holder).status_code == 503
        assert queue.work() == 0
        assert untouched(holder.account, stand_in, (0, 0, 0))


def told_state(holder):
    data = holder.client.get(PATH).json()["data"][0]
    return data["status"], data["overage_charge"]["status"]


class TestStripeIsUnsure:
    ITEMS = "/v1/invoiceitems"

    @pytest.mark.req("CR-8", "CR-6")
    @pytest.mark.parametrize("times", [1, 4])
    def test_an_answer_that_was_lost_is_found(self, trading, stand_in, queue, times):
        holder = trader("growth", credits_left=0)
        fault(stand_in, path=self.ITEMS, method="POST", effect="drop_after", times=times)
        answer = order(holder)
        assert answer.json()["data"]["overage_charge"]["status"] == "accepted"
        assert paid(holder.account, stand_in) == (1, 0, 14)
        assert queue.work() == 1

    @pytest.mark.req("CR-8", "CR-6", "CR-3")
    @pytest.mark.parametrize("effect", ["drop_after", "error_before"])
    def test_no_work_before_the_charge_is_known(self, trading, stand_in, queue, effect):
        holder = trader("growth", credits_left=0)
        fault(stand_in, path=self.ITEMS, effect=effect, times=99)
        answer = order(holder, key="k")
        data = answer.json()["data"]
        assert (answer.status_code, data["status"]) == (202, "queued")
        assert data["overage_charge"]["status"] == "pending"
        assert queue.sent == []
        assert sweep().taken_back == []
        no_faults(stand_in)
        forget_keys(stand_in)
        services.overage_charges_sweep(now=database_now() + timedelta(hours=1))
        if effect == "drop_after":
            assert queue.work() == 1
            assert told(holder, answer)["overage_charge"]["status"] == "accepted"
            assert told(holder, answer)["status"] == "done"
            assert paid(holder.account, stand_in) == (1, 0, 14)
        else:
            assert told(holder, answer)["status"] == "failed"
            assert untouched(holder.account, stand_in, (0, 0, 0))
        assert sweep(timedelta(hours=2)).queued == []

    @pytest.mark.req("CR-8", "CR-7")
    def test_known_while_the_broker_is_away_it_is_queued_later(self, trading, stand_in, queue):
        holder = trader("growth", credits_left=0)
        fault(stand_in, path=self.ITEMS, effect="drop_after", times=99)
        answer = order(holder)
        no_faults(stand_in)
        queue.is_up = False
        services.overage_charges_sweep(now=database_now() + timedelta(minutes=1))
        assert told(holder, answer)["overage_charge"]["status"] == "accepted"
        assert len(sweep().still_open) == 1
        queue.is_up = True
        assert len(sweep().queued) == 1
        assert queue.work() == 1
        assert told(holder, answer)["status"] == "done"

    def test_given_up_after_an_hour_without_a_broker(self, trading, stand_in, queue):
        holder = trader("growth", credits_left=0)
        fault(stand_in, path=self.ITEMS, effect="drop_after", times=99)
        order(holder)
        no_faults(stand_in)
        queue.is_up = False
        services.overage_charges_sweep(now=database_now() + timedelta(minutes=1))
        assert len(sweep(timedelta(hours=2)).taken_back) == 1
        assert untouched(holder.account, stand_in, (0, 0, 0))


class TestWorking:
    @pytest.mark.req("CR-7")
    def test_work_that_fails_takes_its_charge_back(self, trading, stand_in, queue):
        holder = trader("growth", credits_left=1)
        before = paid(holder.account, stand_in)
        answer = order(holder, count=3, prompt="/fail")
        assert answer.status_code == 202
        assert queue.work() == 1
        data = told(holder, answer)
        assert (data["status"], data["error_code"]) == ("failed", "work_failed")
        assert data["overage_charge"]["status"] == "reversed"
        assert untouched(holder.account, stand_in, before)
        assert sweep().taken_back == []

    def test_a_failure_that_cannot_be_taken_back_at_once_is_later(self, trading, stand_in, queue):
        holder = trader("growth", credits_left=0)
        order(holder, prompt="/fail")
        fault(stand_in, path="/v1/invoiceitems/", method="DELETE", effect="error_before", times=99)
        queue.work()
        assert the_job().status == "failed"
        assert paid(holder.account, stand_in) == (0, 0, 14)
        no_faults(stand_in)
        sweep()
        assert untouched(holder.account, stand_in, (0, 0, 0))

    def test_a_queue_that_forgot_is_asked_again(self, trading, stand_in, queue):
        holder = trader("growth", credits_left=1)
        answer = order(holder)
        queue.sent.clear()
        assert sweep(timedelta(minutes=1)).queued == []
        assert len(sweep(timedelta(minutes=6)).queued) == 1
        assert queue.work() == 1
        assert told(holder, answer)["status"] == "done"

    def test_delivered_twice_it_is_done_once(self, trading, stand_in, queue):
        holder = trader("growth", credits_left=2)
        order(holder, count=2)
        queue.sent *= 2
        assert queue.work() == 1
        assert Chart.objects.count() == 2


class TestResults:
    def test_drawings_are_stored_and_served_safely(self, trading, stand_in, queue):
        holder = trader("growth", credits_left=2)
        answer = order(holder, count=2)
        assert told(holder, answer)["results"] == []
        queue.work()
        results = told(holder, answer)["results"]
        assert [one["at"] for one in results] == ["1990-05-02T12:00:00Z", "1990-05-03T12:00:00Z"]
        served = holder.client.get(results[0]["url"])
        assert (served.status_code, served["Content-Type"]) == (200, "image/svg+xml; charset=utf-8")
        assert served["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in served["Content-Security-Policy"]
        assert "default-src 'none'" in served["Content-Security-Policy"]
        assert "script" not in served["Content-Security-Policy"]
        root = ET.fromstring(served.content)
        assert root.find("{http://www.w3.org/2000/svg}title").text == "1990-05-02 12:00 UTC"
        for number in ("9", "0", str(2**31), str(10**30)):
            nothing = results[0]["url"].removesuffix("1") + number
            assert holder.client.get(nothing).status_code == 404

    @pytest.mark.req("EN-11")
    def test_another_organisations_drawing_is_unknown(self, trading, stand_in, queue):
        holder, other = trader("growth"), key_of(*organisation())
        answer = order(holder)
        queue.work()
        (result,) = told(holder, answer)["results"]
        assert other.client.get(result["url"]).status_code == 404
        assert other.client.get(PATH).json()["data"] == []


class TestBadInput:
    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"prompt": ""},
            {"prompt": "x" * 1001},
            {"prompt": "a\u0000b"},
            {"prompt": 5},
            {"prompt": "x", "count": 0},
            {"prompt": "x", "count": -1},
            {"prompt": "x", "count": 1001},
            {"prompt": "x", "count": 2**63},
            {"prompt": "x", "count": 1.5},
            {"prompt": "x", "count": "2"},
            {"prompt": "x", "count": True},
            {"prompt": "x", "count": None},
            {"prompt": "on 30 February 2020"},
            {"prompt": "on 14 October 1066"},
            {"prompt": "on 31 December 2399", "count": 2},
            {"prompt": "x", "colour": "red"},
        ],
    )
    def test_is_refused_and_costs_nothing(self, trading, stand_in, queue, body):
        holder = trader("growth", credits_left=5)
        before = paid(holder.account, stand_in)
        answer = holder.client.post(PATH, body, "json")
        assert answer.status_code in (400, 422), answer.content
        assert untouched(holder.account, stand_in, before)
        assert not Generation.objects.exists()
        assert queue.sent == []


def test_half_a_character_is_refused(trading, stand_in, queue):
    holder = trader("growth")
    answer = holder.client.post(PATH, '{"prompt": "\\ud800"}', content_type="application/json")
    assert answer.status_code in (400, 422)
    assert not Generation.objects.exists()


@pytest.mark.req("CR-1")
def test_credits_and_items_are_what_the_helpers_say(trading, stand_in, queue):
    holder = trader("growth", credits_left=1)
    order(holder, count=3)
    assert credits_of(holder.account) == 0
    assert [item["amount"] for item in items(stand_in)] == [28]
