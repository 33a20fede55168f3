"""The same promises through the real server, two processes of it, spoken to in raw HTTP."""

import http.client
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from prometheus_client.parser import text_string_to_metric_families

from accounts import tokens
from accounts.tests.factories import make_person
from sandbox.programs import Programs
from sandbox.services import free_port

pytestmark = [pytest.mark.req("OP-5", "EN-6"), pytest.mark.slow]


class Wire:
    """One address, and requests byte by byte."""

    def __init__(self, port: int) -> None:
        self.port = port

    def send(self, raw: bytes) -> tuple[int, dict[str, str], bytes]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as sock:
            sock.sendall(raw)
            answer = http.client.HTTPResponse(sock)
            answer.begin()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()

    def ask(
        self, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        sent = {"Host": f"127.0.0.1:{self.port}", "Connection": "close", "Content-Length": str(len(body))}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        return self.send(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body)


@pytest.fixture
def wire(committed_db: None, tmp_path: Path) -> Iterator[Wire]:
    """The web server on this test's database."""
    port = free_port()
    base_url = {"BASE_URL": f"http://127.0.0.1:{port}", "STATIC_MANIFEST": "0"}
    server = Programs(environment=os.environ | base_url, directory=tmp_path).web(port, workers=2, threads=8)
    server.start()
    try:
        yield Wire(port)
    finally:
        server.stop()
        connection.close()


def assert_error(answer: tuple[int, dict[str, str], bytes], status: int, code: str) -> None:
    found, headers, body = answer
    assert found == status, body
    assert headers["content-type"] == "application/json"
    error = json.loads(body)["error"]
    assert set(error) == {"code", "message", "details", "request_id"}
    assert error["code"] == code
    assert error["request_id"] == headers["x-request-id"]


def test_errors_and_answers(wire: Wire) -> None:
    json_type: dict[str, Any] = {"Content_Type": "application/json"}
    large = b'{"email": "' + b"x" * 1_100_000 + b'"}'
    assert_error(wire.ask("GET", "/v1/nothing"), 404, "not_found")
    assert_error(wire.ask("GET", "/v1/auth/token"), 405, "method_not_allowed")
    assert_error(wire.ask("POST", "/v1/auth/token", b"{", **json_type), 400, "malformed_request")
    assert_error(
        wire.ask("POST", "/v1/auth/token", b"{}", Content_Type="text/plain"), 415, "unsupported_media_type"
    )
    assert_error(wire.ask("POST", "/v1/auth/token", large, **json_type), 413, "payload_too_large")
    assert_error(wire.ask("POST", "/v1/auth/token", b"{}", **json_type), 422, "validation_error")
    assert_error(wire.ask("GET", "/v1/account/settings"), 401, "not_authenticated")
    assert_error(wire.ask("GET", "/v1/account/settings", Host="evil.example"), 400, "malformed_request")
    assert_error(
        wire.ask("GET", "/v1/account/settings", Authorization="Bearer \xff"), 401, "invalid_credentials"
    )
    chunked = (
        f"POST /v1/auth/token/revoke HTTP/1.1\r\nHost: 127.0.0.1:{wire.port}\r\nConnection: close\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    )
    assert_error(wire.send(chunked.encode()), 400, "malformed_request")


def test_replay_across_processes_and_metrics_of_both(wire: Wire) -> None:
    access = tokens.issue(make_person()).access
    headers = {
        "Authorization": f"Bearer {access}",
        "Content_Type": "application/json",
        "Idempotency_Key": "k-1",
    }
    answers = [wire.ask("PATCH", "/v1/account/settings", b'{"theme": "dark"}', **headers) for _ in range(12)]
    assert {status for status, _, _ in answers} == {200}
    assert len({body for _, _, body in answers}) == 1
    assert [sent.get("idempotent-replayed") for _, sent, _ in answers] == [None] + ["true"] * 11
    assert {sent["x-request-id"] for _, sent, _ in answers} == {
        json.loads(answers[0][2])["meta"]["request_id"]
    }
    assert counted(wire) == 12
    status, _, body = wire.ask("GET", "/readyz")
    assert (status, json.loads(body)["status"]) == (200, "ok")


def counted(wire: Wire) -> float:
    """Answers of the settings view, by all processes."""
    _, _, text = wire.ask("GET", "/metrics")
    return sum(
        sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if sample.name == "http_requests_total" and sample.labels["route"] == "account-settings"
    )
