"""Lists by keyset: every row once, in order, while rows come and go; and no cursor but our own."""

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from django.test import Client, override_settings
from django.urls import include, path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from common.api import ApiSerializer, ApiView, listed, paginate, paginate_list
from common.models import OutboxMessage

pytestmark = [pytest.mark.django_db, pytest.mark.req("QU-13")]

NOW = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)


class Filters(ApiSerializer):
    task = serializers.CharField(required=False)


class ListView(ApiView):
    authentication_classes = ()
    permission_classes = ()

    @extend_schema(parameters=[Filters], responses=Filters(many=True))
    def get(self, request: Any) -> Any:
        rows = OutboxMessage.objects.filter(**self.query(Filters))
        items, cursor = paginate(rows, request, order=("-created_at", "task", "-id"))
        return listed([row.pk for row in items], cursor)


class WholeListView(ApiView):
    """A short list, made anew for every page."""

    authentication_classes = ()
    permission_classes = ()
    items: ClassVar[list[str]] = []

    @extend_schema(responses=Filters(many=True))
    def get(self, request: Any) -> Any:
        return listed(*paginate_list(self.items, request, key=lambda item: item))


urlpatterns = [
    path("v1/whole", WholeListView.as_view()),
    path("v1/list", ListView.as_view()),
    path("v1/other", ListView.as_view()),
    path("", include("config.urls")),
]


@pytest.fixture(autouse=True)
def _rows() -> Any:
    for n in range(23):
        # several rows share an instant, some of them a task too
        OutboxMessage.objects.create(task=f"t{n % 2}", created_at=NOW - timedelta(hours=n // 5), due_at=NOW)
    with override_settings(ROOT_URLCONF=__name__):
        yield


def expected() -> list[int]:
    return list(OutboxMessage.objects.order_by("-created_at", "task", "-id").values_list("pk", flat=True))


def walk(client: Client, limit: int, address: str = "/v1/list?") -> list[int]:
    seen: list[int] = []
    cursor = ""
    while True:
        body = client.get(f"{address}limit={limit}{cursor}").json()
        assert len(body["data"]) <= limit
        seen += body["data"]
        if body["meta"]["next_cursor"] is None:
            return seen
        cursor = f"&cursor={body['meta']['next_cursor']}"


@pytest.mark.parametrize("limit", [1, 2, 5, 22, 23, 24, 100])
def test_every_row_once_and_in_order(client: Client, limit: int) -> None:
    assert walk(client, limit) == expected()


def test_default_limit(client: Client) -> None:
    assert len(client.get("/v1/list").json()["data"]) == 23
    assert client.get("/v1/list").json()["meta"]["next_cursor"] is None


def test_filters_go_with_pages(client: Client) -> None:
    assert len(walk(client, 3, "/v1/list?task=t1&")) == 11


def test_rows_that_come_and_go_move_no_other(client: Client) -> None:
    first = client.get("/v1/list?limit=10").json()
    rest = expected()[10:]
    OutboxMessage.objects.create(task="t0", created_at=NOW + timedelta(hours=1), due_at=NOW)
    OutboxMessage.objects.filter(pk=first["data"][9]).delete()
    second = client.get(f"/v1/list?limit=100&cursor={first['meta']['next_cursor']}").json()
    assert second["data"] == rest


@pytest.mark.parametrize("limit", ["0", "-1", "101", "1.5", "ten", "", "٣", "1" * 500])
def test_limit_out_of_range(client: Client, limit: str) -> None:
    response = client.get("/v1/list", {"limit": limit})
    assert response.status_code == 422
    assert response.json()["error"]["details"]["fields"][0]["field"] == "limit"


@pytest.mark.parametrize("change", ["nonsense", "", "\x00", "{}x", "other list", "é"])
def test_foreign_cursor(client: Client, change: str) -> None:
    own = client.get("/v1/other?limit=1").json()["meta"]["next_cursor"]
    cursor = own if change == "other list" else own.replace(own[:3], change, 1) if change == "{}x" else change
    response = client.get("/v1/list", {"cursor": cursor})
    assert response.status_code == 422
    assert response.json()["error"]["details"]["fields"][0]["field"] == "cursor"


def test_unknown_parameter(client: Client) -> None:
    response = client.get("/v1/list?tsak=t1")
    assert response.json()["error"]["details"]["fields"][0] | {"message": ""} == {
        "field": "tsak",
        "code": "unknown_field",
        "message": "",
    }


@pytest.fixture
def whole() -> Any:
    WholeListView.items = [f"item {n}" for n in range(30)]
    yield WholeListView.items
    WholeListView.items = []


@pytest.mark.parametrize("limit", [1, 7, 29, 30, 31])
def test_a_short_list_page_by_page(client: Client, whole: list[str], limit: int) -> None:
    assert walk(client, limit, "/v1/whole?") == whole


def test_a_short_list_comes_whole(client: Client, whole: list[str]) -> None:
    body = client.get("/v1/whole").json()
    assert (body["data"], body["meta"]["next_cursor"]) == (whole, None)


def test_a_short_list_that_changes(client: Client, whole: list[str]) -> None:
    cursor = client.get("/v1/whole?limit=3").json()["meta"]["next_cursor"]
    whole.remove("item 0")
    assert client.get("/v1/whole", {"cursor": cursor}).json()["data"][0] == "item 3"
    whole.remove("item 2")  # the page before ended with it
    answer = client.get("/v1/whole", {"cursor": cursor})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "validation_error")


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "cursor=x", "cursor="])
def test_a_short_list_asked_for_wrongly(client: Client, whole: list[str], query: str) -> None:
    assert client.get(f"/v1/whole?{query}").status_code == 422
