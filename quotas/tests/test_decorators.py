"""Metering as views see it: Django's and DRF's, functions and methods, success and failure, by decorator and path."""

import json
from uuid import uuid4

import pytest
import structlog
from django.db.models import F
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from rest_framework.decorators import api_view
from rest_framework.response import Response
from structlog.testing import capture_logs

from accounts import tokens
from accounts.models import Account, AccountKind, User
from common.api import ApiView
from common.errors import NotFound
from common.models import IdempotencyRecord
from quotas import errors
from quotas.decorators import metered, requires_feature
from quotas.middleware import MeteringMiddleware, PathRule
from quotas.models import Bucket, Reservation
from quotas.services import LimitSpec, reservations_expire
from quotas.tests.conftest import give
from quotas.tests.test_engine import figures, make_overdue

pytestmark = pytest.mark.req("QU-8", "QU-1")


@pytest.fixture
def person(metrics):
    user = User.objects.create_user("someone@palier.test", "a long password")
    account = Account.objects.create(kind=AccountKind.PERSONAL, name="someone", personal_owner=user)
    give(account, LimitSpec("messages", "day", 2), features=("history",))
    return user


@pytest.fixture
def account(person):
    return person.personal_account


def request_of(user, method="post", url="/"):
    request = getattr(RequestFactory(), method)(url)
    request.user = user
    request.request_id = "request-1234"
    return request


@metered("messages")
def page(request, *, status=200, error=None):
    assert request.metering.reserved.allowed
    if error:
        raise error
    return HttpResponse("done", status=status)


def test_a_django_view_counts_its_success_and_tells_what_is_left(person, account):
    response = page(request_of(person))
    assert (response["X-Quota-Limit"], response["X-Quota-Remaining"]) == ("2", "1")
    assert figures(account) == ([("day", 1, 0)], 1, [(1, 1)], 0)


def test_the_record_carries_the_request_id(person, account):
    from quotas.models import UsageRecord

    page(request_of(person))
    assert UsageRecord.objects.get().request_id == "request-1234"


@pytest.mark.parametrize("status", [400, 404, 422, 500, 503])
def test_an_answer_that_says_failure_counts_nothing(person, account, status):
    page(request_of(person), status=status)
    assert figures(account) == ([("day", 0, 0)], 0, [], 0)


def test_a_redirect_is_a_success(person, account):
    page(request_of(person), status=302)
    assert figures(account)[0] == [("day", 1, 0)]


@pytest.mark.parametrize("error", [ValueError("bug"), NotFound(), KeyboardInterrupt()])
def test_a_view_that_raises_counts_nothing(person, account, error):
    with pytest.raises(type(error)):
        page(request_of(person), error=error)
    assert figures(account) == ([("day", 0, 0)], 0, [], 0)


@pytest.fixture
def release_fails(monkeypatch):
    """The meter cannot be reached when a reservation is to be released. Gives what is logged."""

    def unavailable(**_):
        raise errors.MeterUnavailable

    with capture_logs() as lines, monkeypatch.context() as patched:
        patched.setattr("quotas.metering.usage_release", unavailable)
        patched.setattr("quotas.metering.logger", structlog.get_logger("quotas"))
        yield lines


def test_what_the_view_raised_is_told_though_its_units_cannot_be_released(person, account, release_fails):
    with pytest.raises(ValueError, match="bug"):
        page(request_of(person), error=ValueError("bug"))
    (line,) = release_fails
    assert (line["event"], line["error"]) == ("meter_release_failed", "MeterUnavailable")
    assert (line["account_id"], line["request_id"]) == (account.id, "request-1234")
    assert figures(account) == ([("day", 0, 1)], 0, [], 1), "left to expire"
    Reservation.objects.update(expires_at=F("decided_at"))
    assert reservations_expire() == 1
    assert figures(account) == ([("day", 0, 0)], 0, [], 0)


def test_what_the_view_answered_is_told_though_its_units_cannot_be_released(person, account, release_fails):
    assert page(request_of(person), status=422).status_code == 422
    assert [line["event"] for line in release_fails] == ["meter_release_failed"]
    assert figures(account) == ([("day", 0, 1)], 0, [], 1)


@pytest.mark.req("QU-2")
def test_at_the_limit_the_view_does_not_run(person, account):
    ran = []

    @metered("messages")
    def view(request):
        ran.append(request)
        return HttpResponse()

    view(request_of(person))
    view(request_of(person))
    before = figures(account)
    with pytest.raises(errors.QuotaExceeded):
        view(request_of(person))
    assert len(ran) == 2
    assert figures(account) == before


def test_units_can_depend_on_the_request(person, account):
    @metered("messages", units=lambda request: int(request.GET["n"]))
    def view(request):
        return HttpResponse()

    view(request_of(person, url="/?n=2"))
    assert figures(account)[0] == [("day", 2, 0)]


def test_work_that_outlives_its_reservation_is_counted_anew(person, account):
    @metered("messages")
    def slow(request):
        make_overdue(request.metering.reserved)
        return HttpResponse()

    slow(request_of(person))
    assert figures(account) == ([("day", 1, 0)], 1, [(1, 1)], 0)
    assert Reservation.objects.get().status == "expired"


def test_work_that_outlives_its_reservation_is_refused_when_its_room_is_gone(person, account):
    @metered("messages")
    def slow(request):
        make_overdue(request.metering.reserved)
        page(request_of(person))
        page(request_of(person))
        return HttpResponse()

    with pytest.raises(errors.QuotaExceeded):
        slow(request_of(person))
    assert figures(account)[0] == [("day", 2, 0)]


def test_a_decorated_function_of_something_else_is_told_at_once():
    with pytest.raises(TypeError):
        metered("messages")(lambda: None)()


class ApiExample(ApiView):
    rate_limits = ()

    @metered("messages")
    def post(self, request):
        if request.data.get("fail"):
            raise ValueError("bug")
        return Response({"left": request.metering.bound.remaining})


@api_view(["POST"])
@metered("messages")
def api_function(request):
    return Response({})


class PlainApi(ApiView):
    """Of the API, metered by its path."""

    rate_limits = ()

    def post(self, request):
        return Response({"made": str(uuid4())})


def _status(request):
    return json.loads(request.body).get("status", 200)


class GatedExample(ApiView):
    rate_limits = ()

    @requires_feature("export")
    def get(self, request):
        return Response({})


handler500 = "common.pages.server_error"
urlpatterns = [
    path("v1/example", ApiExample.as_view()),
    path("v1/function", api_function),
    path("v1/gated", GatedExample.as_view()),
    path("v1/once", csrf_exempt(lambda request: HttpResponse(str(uuid4()), status=_status(request)))),
    path("v1/plain-api", PlainApi.as_view()),
    path("v1/undecorated", lambda request: HttpResponse("{}", status=int(request.GET.get("status", 200)))),
]


@pytest.fixture
def bearer(person, settings):
    settings.ROOT_URLCONF = __name__
    return {"Authorization": f"Bearer {tokens.issue(person).access}"}


def post(client, url, bearer, body=None):
    return client.post(url, json.dumps(body or {}), content_type="application/json", headers=bearer)


class TestApi:
    @pytest.mark.parametrize("url", ["/v1/example", "/v1/function"])
    def test_success(self, client, bearer, account, url):
        response = post(client, url, bearer)
        assert response.status_code == 200, response.content
        assert response["X-Quota-Remaining"] == "1"
        assert figures(account)[0] == [("day", 1, 0)]

    def test_the_view_knows_what_is_left_once_it_is_counted(self, client, bearer, account):
        assert post(client, "/v1/example", bearer).json()["data"] == {"left": 1}

    @pytest.mark.req("QU-2", "QU-9")
    def test_the_refusal_is_an_envelope_with_bounds_and_remedies(self, client, bearer, account):
        for _ in range(2):
            post(client, "/v1/example", bearer)
        before = figures(account)
        response = post(client, "/v1/example", bearer)
        error = response.json()["error"]
        assert response.status_code == 429
        assert error["code"] == "quota_exceeded"
        assert error["request_id"] == error["details"]["request_id"] == response["X-Request-Id"]
        details = error["details"]
        assert (details["limit"], details["used"], details["remaining"]) == (2, 2, 0)
        assert details["bounds"][0]["allows"] is False
        assert details["remedies"]
        assert int(response["Retry-After"]) > 0
        assert response["X-Quota-Remaining"] == "0"
        assert figures(account) == before

    def test_a_bug_counts_nothing(self, client, bearer, account):
        client.raise_request_exception = False
        assert post(client, "/v1/example", bearer, {"fail": True}).status_code == 500
        assert figures(account) == ([("day", 0, 0)], 0, [], 0)

    def test_a_stranger_is_refused_before_anything_is_reserved(self, client, bearer, account):
        assert post(client, "/v1/example", {}).status_code == 401
        assert figures(account) == ([], 0, [], 0)

    def test_a_feature_the_plan_does_not_have(self, client, bearer, account):
        response = client.get("/v1/gated", headers=bearer)
        assert response.status_code == 403
        assert response.json()["error"]["code"] == "feature_not_in_plan"
        assert response.json()["error"]["details"]["feature"] == "export"

    def test_a_feature_the_plan_has(self, client, bearer, account):
        give(account, LimitSpec("messages", "day", 2), features=("export",))
        assert client.get("/v1/gated", headers=bearer).status_code == 200


class TestMiddleware:
    @pytest.fixture(autouse=True)
    def _rules(self, settings, bearer):
        settings.METERED_PATHS = [PathRule(r"/v1/undecorated$", "messages", methods=("GET",))]
        settings.MIDDLEWARE = [
            *settings.MIDDLEWARE,
            f"{MeteringMiddleware.__module__}.{MeteringMiddleware.__name__}",
        ]

    def test_a_matching_path_is_counted_and_refused_at_the_limit(self, client, bearer, account):
        answers = [client.get("/v1/undecorated", headers=bearer) for _ in range(3)]
        assert [a.status_code for a in answers] == [200, 200, 429]
        assert answers[0]["X-Quota-Remaining"] == "1"
        assert answers[2].json()["error"]["code"] == "quota_exceeded"
        assert figures(account)[0] == [("day", 2, 0)]

    def test_a_failure_counts_nothing(self, client, bearer, account):
        client.get("/v1/undecorated?status=500", headers=bearer)
        assert figures(account) == ([("day", 0, 0)], 0, [], 0)

    def test_nobody_passes_unknown(self, client, account):
        assert client.get("/v1/undecorated").status_code == 401
        assert not Bucket.objects.exists()

    def test_other_paths_and_methods_are_not_counted(self, client, bearer, account):
        client.post("/v1/undecorated", headers=bearer)
        assert figures(account) == ([], 0, [], 0)


class TestMiddlewareAndIdempotencyKeys:
    """What is metered by its path answers a repeat as what carries the decorator does."""

    @pytest.fixture(autouse=True)
    def _rules(self, settings, bearer):
        settings.METERED_PATHS = [PathRule(r"/v1/(once|plain-api)$", "messages")]
        settings.MIDDLEWARE = [
            *settings.MIDDLEWARE,
            f"{MeteringMiddleware.__module__}.{MeteringMiddleware.__name__}",
        ]

    @pytest.mark.parametrize("url", ["/v1/once", "/v1/plain-api"])
    def test_the_same_key_is_one_call_and_counts_once(self, client, bearer, account, url):
        keyed = bearer | {"Idempotency-Key": "k"}
        first, again = (post(client, url, keyed) for _ in range(2))
        assert (first.status_code, again.content) == (200, first.content)
        assert again["Idempotent-Replayed"] == "true"
        assert (first["X-Quota-Remaining"], again["X-Quota-Remaining"]) == ("1", "1")
        assert figures(account)[0] == [("day", 1, 0)]
        assert post(client, url, keyed, {"other": 1}).json()["error"]["code"] == "idempotency_key_reused"
        assert post(client, url, bearer).content != first.content
        assert figures(account)[0] == [("day", 2, 0)]
        for key in ("more", "more"):
            refused = post(client, url, bearer | {"Idempotency-Key": key})
            assert refused.json()["error"]["code"] == "quota_exceeded"
        assert figures(account)[0] == [("day", 2, 0)]

    def test_run_again_after_a_crash_it_counts_once(self, client, bearer, account):
        keyed = bearer | {"Idempotency-Key": "k"}
        first = post(client, "/v1/once", keyed)
        IdempotencyRecord.objects.all().delete()
        assert post(client, "/v1/once", keyed).content != first.content
        assert figures(account)[0] == [("day", 1, 0)]

    def test_what_failed_may_be_sent_again(self, client, bearer, account):
        keyed = bearer | {"Idempotency-Key": "k"}
        body = {"status": 500}
        assert [post(client, "/v1/once", keyed, body).status_code for _ in range(2)] == [500, 500]
        assert figures(account)[:2] == ([("day", 0, 0)], 0)
        assert not IdempotencyRecord.objects.exists()


def test_the_reset_is_told_in_utc(person):
    response = page(request_of(person))
    assert response["X-Quota-Reset"].endswith("T00:00:00Z")
