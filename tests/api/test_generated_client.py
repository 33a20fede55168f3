"""The API's description is good enough to generate a typed client from, and what is generated works.

The generator reads the document that the running server serves, and complains of nothing in it.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import requests

from tests.stack import Stack

pytestmark = [pytest.mark.req("EN-6", "QU-15"), pytest.mark.slow]

NAME = "palier_client"
# No formatter afterwards; a drawing is bytes to a program.
CONFIG = "post_hooks: []\ncontent_type_overrides:\n  image/svg+xml: application/octet-stream\n"


@pytest.fixture(scope="module")
def client_package(shared_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The package that was generated, ready to import from."""
    directory = tmp_path_factory.mktemp("client")
    document, config = directory / "openapi.json", directory / "config.yml"
    document.write_bytes(requests.get(f"{shared_stack.base_url}/v1/openapi.json", timeout=30).content)
    config.write_text(CONFIG)
    done = subprocess.run(
        [
            Path(sys.executable).with_name("openapi-python-client"),
            "generate",
            *("--path", document),
            *("--output-path", directory / NAME),
            *("--config", config),
            *("--meta", "none"),
            "--fail-on-warning",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    sys.path.insert(0, str(directory))
    try:
        yield importlib.import_module(NAME)
    finally:
        sys.path.remove(str(directory))
        for name in [one for one in sys.modules if one.split(".")[0] == NAME]:
            del sys.modules[name]


@pytest.fixture
def client_with(client_package: ModuleType, shared_stack: Stack) -> Iterator[Callable[[str], Any]]:
    """Makes a client that calls with a key."""
    with ExitStack() as made:
        yield lambda key: made.enter_context(
            client_package.AuthenticatedClient(base_url=shared_stack.base_url, token=key)
        )


@pytest.fixture
def api(client_with: Callable[[str], Any], shared_stack: Stack) -> Any:
    """Calls as a program of acme would."""
    return client_with(shared_stack.api_keys()["acme"])


def call(client: Any, operation: str, **arguments: Any) -> Any:
    """What the generated function of an operation of the tag `b2b` answers."""
    return importlib.import_module(f"{NAME}.api.b2b.{operation}").sync_detailed(client=client, **arguments)


def models() -> ModuleType:
    return importlib.import_module(f"{NAME}.models")


def test_every_b2b_operation_has_a_function(client_package: ModuleType, shared_stack: Stack) -> None:
    document = requests.get(f"{shared_stack.base_url}/v1/openapi.json", timeout=30).json()
    ids = {
        operation["operationId"]
        for path, methods in document["paths"].items()
        if path.startswith("/v1/b2b/")
        for operation in methods.values()
        if isinstance(operation, dict)
    }
    assert len(ids) >= 20
    for one in ids:
        assert importlib.import_module(f"{NAME}.api.b2b.{one}").sync_detailed


def test_a_first_metered_call_and_what_was_counted(api: Any) -> None:
    before = call(api, "b2b_usage_summary").parsed.data
    week = call(api, "b2b_weekly_by_sign", sign=models().B2BWeeklyBySignSign.LEO)
    assert week.status_code == HTTPStatus.OK
    assert len(week.parsed.data.days) == 7
    after = call(api, "b2b_usage_summary").parsed
    assert after.data.cumulative_units == before.cumulative_units + 1
    assert after.meta.request_id
    assert sum(one.month_units for one in after.data.by_credential) == next(
        window.used for window in after.data.windows if window.window == "month"
    )


def test_consuming_once(api: Any) -> None:
    body = models().ConsumptionRequest(metric="api_calls", units=3, subject="till two")
    once = call(api, "b2b_usage_consume", body=body, idempotency_key="generated-1")
    twice = call(api, "b2b_usage_consume", body=body, idempotency_key="generated-1")
    assert once.status_code == twice.status_code == HTTPStatus.OK
    assert once.parsed.data.allowed
    assert once.parsed.data.record_id == twice.parsed.data.record_id
    assert once.parsed.data.split.allowance == 3


def test_errors_have_types_too(api: Any, client_with: Callable[[str], Any]) -> None:
    body = models().ConsumptionRequest(metric="api_calls", units=10**9)
    refused = call(api, "b2b_usage_consume", body=body)
    assert refused.status_code == HTTPStatus.TOO_MANY_REQUESTS
    assert refused.parsed.error.code == "b2b_quota_exceeded"
    unknown = call(client_with("plr_test_x"), "b2b_usage_summary")
    assert unknown.status_code == HTTPStatus.UNAUTHORIZED
    assert unknown.parsed.error.code == "invalid_api_key"


def test_a_key_made_used_and_revoked(api: Any, client_with: Callable[[str], Any]) -> None:
    kinds = models()
    wanted = kinds.CredentialRequest(name="generated", scopes=[kinds.Scope.USAGEREAD])
    made = call(api, "b2b_credential_create", body=wanted)
    assert made.status_code == HTTPStatus.CREATED
    other = client_with(made.parsed.data.secret)
    assert call(other, "b2b_usage_summary").status_code == HTTPStatus.OK
    ended = call(api, "b2b_credential_revoke", credential_id=made.parsed.data.id, body=kinds.EmptyRequest())
    assert ended.parsed.data.status == "revoked"
    assert call(other, "b2b_usage_summary").status_code == HTTPStatus.UNAUTHORIZED
