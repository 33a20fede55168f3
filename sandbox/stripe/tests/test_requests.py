"""Authentication, parameters, idempotency, lists and faults: what every call goes through."""

import threading
import time
from typing import Any

import pytest
import requests
import stripe

from sandbox.stripe import params
from sandbox.stripe.errors import InvalidParams
from sandbox.stripe.tests.conftest import World, refused

pytestmark = pytest.mark.req("BI-1")

# Parameters ----------------------------------------------------------------------------------------------------------

REFUSED = [
    ([("nonsense", "1")], "parameter_unknown", "nonsense"),
    ([("items[0][nonsense]", "1")], "parameter_unknown", "items[0][nonsense]"),
    ([("payment_behavior", "sometimes")], None, "payment_behavior"),
    ([("trial_end", "tomorrow")], "parameter_invalid_integer", "trial_end"),
    ([("cancel_at_period_end", "yes")], None, "cancel_at_period_end"),
    ([("customer", "")], "parameter_invalid_empty", "customer"),
    ([("items", "price_1")], None, "items"),
    ([("customer[id]", "cus_1")], None, "customer"),
    ([("trial_settings[end_behavior][x]", "1")], "parameter_unknown", "trial_settings[end_behavior][x]"),
    ([("trial_settings[x", "1")], None, "trial_settings[x"),
    ([("customer", "a"), ("customer[b]", "c")], None, "customer[b]"),
]


@pytest.mark.parametrize(("pairs", "code", "param"), REFUSED, ids=[str(row[0]) for row in REFUSED])
def test_parameters_are_held_to_the_sdk(pairs: list[tuple[str, str]], code: str | None, param: str):
    with pytest.raises(InvalidParams) as raised:
        params.check("SubscriptionCreateParams", params.decode_form(pairs))
    assert (raised.value.body.get("code"), raised.value.body["param"]) == (code, param)
    assert raised.value.stored is False


def test_forms_become_typed_values():
    pairs = [
        ("items[1][price]", "b"),
        ("items[0][price]", "a"),
        ("expand[]", "x"),
        ("expand[]", "y"),
        ("metadata[0]", "zero"),
        ("trial_end", "now"),
        ("default_tax_rates", ""),
        ("days_until_due", "30"),
    ]
    assert params.check("SubscriptionCreateParams", params.decode_form(pairs)) == {
        "items": [{"price": "a"}, {"price": "b"}],
        "expand": ["x", "y"],
        "metadata": {"0": "zero"},
        "trial_end": "now",
        "default_tax_rates": "",
        "days_until_due": 30,
    }


def test_a_missing_parameter_is_named(world: World):
    answer = requests.post(
        f"{world.url}/v1/webhook_endpoints", auth=(world.stand_in.secret_key, ""), timeout=10
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "parameter_missing"


# Keys and routes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", "sk_test_another000000000000", "sk_live_x"])
def test_another_key_is_refused(world: World, key: str):
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    answer = requests.get(f"{world.url}/v1/customers", headers=headers, timeout=10)
    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_basic_and_bearer_both_work_and_answers_have_an_id(world: World):
    for how in (
        {"auth": (world.stand_in.secret_key, "")},
        {"headers": {"Authorization": f"Bearer {world.stand_in.secret_key}"}},
    ):
        answer = requests.get(f"{world.url}/v1/customers", timeout=10, **how)
        assert answer.status_code == 200
        assert answer.headers["Request-Id"].startswith("req_")


def test_unknown_addresses_objects_and_versions(world: World):
    error = refused(stripe.InvalidRequestError, world.v1.customers.retrieve, "cus_none")
    assert (error["status"], error["code"], error["message"]) == (
        404,
        "resource_missing",
        "No such customer: 'cus_none'",
    )
    auth = (world.stand_in.secret_key, "")
    assert requests.get(f"{world.url}/v1/nonsense", auth=auth, timeout=10).status_code == 404
    old = requests.get(
        f"{world.url}/v1/customers", auth=auth, headers={"Stripe-Version": "2020-08-27"}, timeout=10
    )
    assert old.status_code == 400


# Lists ---------------------------------------------------------------------------------------------------------------


def test_lists_are_paged_newest_first(world: World):
    made = [world.customer(card=None, email=f"{n}@palier.test") for n in range(7)]
    first = world.v1.customers.list({"limit": 3})
    assert [row.id for row in first.data] == made[:3:-1]
    assert first.has_more is True
    assert [row.id for row in world.v1.customers.list({"limit": 3}).auto_paging_iter()] == made[::-1]
    before = world.v1.customers.list({"limit": 2, "ending_before": made[2]})
    assert [row.id for row in before.data] == [made[4], made[3]]
    assert [row.id for row in world.v1.customers.list({"email": "5@palier.test"}).data] == [made[5]]
    assert world.v1.customers.list({"created": {"gt": world.now + 10}}).data == []
    refused(stripe.InvalidRequestError, world.v1.customers.list, {"starting_after": "cus_none"})


# Idempotency ---------------------------------------------------------------------------------------------------------


def raw(world: World, path: str, data: dict[str, Any], key: str | None = None) -> requests.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return requests.post(
        f"{world.url}{path}", data=data, headers=headers, auth=(world.stand_in.secret_key, ""), timeout=20
    )


def test_the_same_key_gives_the_same_answer_once(world: World):
    first = raw(world, "/v1/customers", {"email": "a@palier.test"}, "k1")
    again = raw(world, "/v1/customers", {"email": "a@palier.test"}, "k1")
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert len(world.state()["customers"]) == 1


def test_another_request_with_the_key_is_refused(world: World):
    raw(world, "/v1/customers", {"email": "a@palier.test"}, "k1")
    for path, data in (("/v1/customers", {"email": "b@palier.test"}), ("/v1/products", {"name": "a"})):
        answer = raw(world, path, data, "k1")
        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "idempotency_error")
    assert len(world.state()["customers"]) == 1
    assert world.state()["products"] == {}


def test_a_refusal_is_kept_but_not_one_before_anything_ran(world: World):
    customer = world.customer("pm_card_chargeCustomerFail")
    data = {
        "customer": customer,
        "items[0][price]": world.price("Basic", 500),
        "payment_behavior": "error_if_incomplete",
    }
    assert raw(world, "/v1/subscriptions", data, "k1").status_code == 402
    good = world.v1.payment_methods.attach("pm_card_visa", {"customer": customer})
    world.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": good.id}})
    again = raw(world, "/v1/subscriptions", data, "k1")
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (402, "true")
    assert raw(world, "/v1/customers", {"nonsense": "x"}, "k2").status_code == 400
    assert raw(world, "/v1/customers", {"email": "a@palier.test"}, "k2").status_code == 200


def test_keys_are_forgotten_after_a_day_and_on_demand(world: World):
    raw(world, "/v1/customers", {"email": "a@palier.test"}, "k1")
    world.advance(hours=24.1)
    assert raw(world, "/v1/customers", {"email": "b@palier.test"}, "k1").status_code == 200
    assert world.control("forget_keys", {}) == {"forgotten": 1}
    raw(world, "/v1/customers", {"email": "b@palier.test"}, "k1")
    assert len(world.state()["customers"]) == 3


def test_a_key_that_is_in_use(world: World):
    core = world.stand_in.core
    slow = threading.Thread(target=raw, args=(world, "/v1/customers", {"email": "a@palier.test"}, "k1"))
    with core.lock:  # the slow one is held up where it would begin its work
        slow.start()
        deadline = time.monotonic() + 20
        while "k1" not in core.in_progress._keys:
            assert time.monotonic() < deadline, "it never came"
            time.sleep(0.005)
        answer = raw(world, "/v1/customers", {"email": "a@palier.test"}, "k1")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "idempotency_key_in_use")
    slow.join()
    assert len(world.state()["customers"]) == 1


# Faults --------------------------------------------------------------------------------------------------------------


@pytest.mark.req("CR-8")
def test_an_answer_lost_after_the_effect(world: World):
    world.control("faults", {"path": "/v1/customers", "method": "POST", "effect": "drop_after"})
    with pytest.raises(requests.ConnectionError):
        raw(world, "/v1/customers", {"email": "a@palier.test"}, "k1")
    assert len(world.state()["customers"]) == 1
    again = raw(world, "/v1/customers", {"email": "a@palier.test"}, "k1")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert list(world.state()["customers"]) == [again.json()["id"]]


@pytest.mark.req("CR-8")
def test_the_client_retries_a_lost_answer_by_itself(world: World):
    world.control("faults", {"path": "/v1/customers", "effect": "drop_after", "times": 2})
    patient = stripe.StripeClient(
        world.stand_in.secret_key, base_addresses={"api": world.url}, max_network_retries=3
    )
    customer = patient.v1.customers.create({"email": "a@palier.test"})
    assert list(world.state()["customers"]) == [customer.id]
    rows = [row for row in world.control("requests")["requests"] if row["path"] == "/v1/customers"]
    assert [row["fault"] for row in rows] == ["drop_after", "drop_after", None]
    assert [row["replayed"] for row in rows] == [False, True, True]
    assert len({row["idempotency_key"] for row in rows}) == 1


@pytest.mark.req("CR-8")
def test_500_after_the_effect_is_what_the_key_keeps(world: World):
    world.control("faults", {"path": "/v1/customers", "effect": "error_after"})
    assert raw(world, "/v1/customers", {"email": "a@palier.test"}, "k1").status_code == 500
    assert len(world.state()["customers"]) == 1
    again = raw(world, "/v1/customers", {"email": "a@palier.test"}, "k1")
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (500, "true")
    assert len(world.state()["customers"]) == 1


@pytest.mark.req("CR-8")
def test_an_answer_that_is_no_json(world: World):
    world.control("faults", {"path": "/v1/customers", "effect": "garbage_after"})
    with pytest.raises(stripe.APIError, match="Invalid response body"):
        world.client.v1.customers.create({"email": "a@palier.test"}, {"idempotency_key": "k1"})
    again = raw(world, "/v1/customers", {"email": "a@palier.test"}, "k1")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert list(world.state()["customers"]) == [again.json()["id"]]


@pytest.mark.req("CR-8")
def test_an_answer_cut_off_in_the_middle(world: World):
    world.control("faults", {"path": "/v1/customers", "effect": "cut_off_after"})
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        raw(world, "/v1/customers", {"email": "a@palier.test"}, "k1")
    again = raw(world, "/v1/customers", {"email": "a@palier.test"}, "k1")
    assert list(world.state()["customers"]) == [again.json()["id"]]
    world.control("faults", {"path": "/v1/customers", "effect": "cut_off_after"})
    with pytest.raises(stripe.APIConnectionError):
        world.v1.customers.list()


@pytest.mark.req("CR-8")
@pytest.mark.parametrize(("effect", "status"), [("error_before", 500), ("rate_limit", 429)])
def test_errors_before_the_effect_are_not_kept(world: World, effect: str, status: int):
    world.control("faults", {"path": "/v1/customers", "effect": effect})
    assert raw(world, "/v1/customers", {"email": "a@palier.test"}, "k1").status_code == status
    assert world.state()["customers"] == {}
    assert raw(world, "/v1/customers", {"email": "a@palier.test"}, "k1").status_code == 200


def test_faults_fit_by_path_and_method_and_are_cleared(world: World):
    world.control("faults", {"path": "/v1/products", "method": "POST", "effect": "error_before", "times": 5})
    assert raw(world, "/v1/customers", {"email": "a@palier.test"}).status_code == 200
    assert world.v1.products.list().data == []
    assert raw(world, "/v1/products", {"name": "a"}).status_code == 500
    assert world.control("faults")["faults"][0]["times"] == 4
    world.control("faults", method="DELETE")
    assert raw(world, "/v1/products", {"name": "a"}).status_code == 200


@pytest.mark.parametrize(
    "body", [{}, {"path": "/v1", "effect": "explode"}, {"path": 1, "effect": "delay"}, {"x": 1}, []]
)
def test_what_is_no_fault_is_refused(world: World, body: Any):
    answer = requests.post(f"{world.url}/_sandbox/faults", json=body, timeout=10)
    assert answer.status_code == 400
    assert world.control("faults")["faults"] == []


def test_requests_are_logged_without_cards_or_keys(world: World):
    card = {"number": "4242424242424242", "exp_month": 1, "exp_year": 2040, "cvc": "123"}
    world.v1.payment_methods.create({"type": "card", "card": card})
    row = world.control("requests")["requests"][-1]
    assert (row["method"], row["path"], row["status"]) == ("POST", "/v1/payment_methods", 200)
    assert row["params"]["card"]["number"] == "…"
    assert "4242424242424242" not in str(world.control("requests"))
    assert world.stand_in.secret_key not in str(world.control("requests"))


@pytest.mark.parametrize("path", ["nonsense", "clock/x"])
def test_unknown_controls(world: World, path: str):
    assert requests.get(f"{world.url}/_sandbox/{path}", timeout=10).status_code == 404
    assert requests.delete(f"{world.url}/_sandbox/clock", timeout=10).status_code == 405
