"""Alive, ready, measured; and what each says when a part is missing."""

from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client, override_settings
from prometheus_client.parser import text_string_to_metric_families

from common import health

pytestmark = [pytest.mark.django_db, pytest.mark.req("OP-5")]


@pytest.fixture(autouse=True)
def _ask_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_migrated", False)


def test_alive(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
@override_settings(ALLOWED_HOSTS=["palier.example"], SECURE_SSL_REDIRECT=True, METRICS_TOKEN="")
def test_probes_ask_by_the_address_of_the_process(client: Client, path: str) -> None:
    assert client.get(path, headers={"host": "10.0.0.7:8000"}).status_code == 200
    assert client.get("/", headers={"host": "10.0.0.7:8000"}).status_code == 400


def test_ready(client: Client) -> None:
    response = client.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (200, "ok")
    assert response.json()["checks"] == {"database": "ok", "migrations": "ok", "redis": "ok"}


def test_not_ready_without_the_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OperationalError("no route to 10.0.0.7")

    with monkeypatch.context() as patched:
        patched.setattr(connection, "cursor", refuse)
        response = client.get("/readyz")
    assert (response.status_code, response.json()["checks"]["database"]) == (503, "unreachable")
    assert b"10.0.0.7" not in response.content


def test_not_ready_before_the_migrations(client: Client) -> None:
    ((app, newest),) = MigrationLoader(connection).graph.leaf_nodes("common")
    MigrationRecorder(connection).record_unapplied(app, newest)
    response = client.get("/readyz")
    assert (response.status_code, response.json()["checks"]["migrations"]) == (503, "1 not applied")


def test_degraded_without_redis(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from redis.exceptions import ConnectionError as RedisDown

    def refuse(_alias: str) -> Any:
        raise RedisDown

    monkeypatch.setattr(health, "get_redis_connection", refuse)
    response = client.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert response.json()["checks"]["redis"] == "unreachable"


def samples(client: Client) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = client.get("/metrics").content.decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_requests_are_counted_by_route_not_by_path(client: Client) -> None:
    key = ("http_requests_total", (("method", "GET"), ("route", "healthz"), ("status_class", "2xx")))
    before = samples(client).get(key, 0)
    for n in range(3):
        client.get(f"/healthz?n={n}")
        client.get(f"/no/such/path/{n}")
        client.generic(f"ODD{n}", f"/v1/{n}")
    after = samples(client)
    assert after[key] - before == 3
    labels = {dict(labels).get("route") for name, labels in after if name == "http_requests_total"}
    assert "none" in labels
    assert not any(label and "path" in label for label in labels)
    assert {dict(labels)["method"] for name, labels in after if name == "http_requests_total"} <= {
        "GET",
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
        "HEAD",
        "OPTIONS",
        "OTHER",
    }
    assert ("outbox_parked", ()) in after


def test_metrics_need_the_token_when_there_is_one(client: Client) -> None:
    with override_settings(METRICS_TOKEN="t0ken"):
        assert client.get("/metrics").status_code == 401
        assert client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert client.get("/metrics", headers={"Authorization": "Bearer t0ken"}).status_code == 200
