"""Operators see what is parked and give it another chance."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from common.models import OutboxMessage

pytestmark = [pytest.mark.django_db, pytest.mark.req("OP-4")]

NOW = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)


@pytest.fixture
def parked() -> OutboxMessage:
    return OutboxMessage.objects.create(
        task="a.task", created_at=NOW, due_at=NOW, parked_at=NOW, attempts=20, last_error="ValueError: no"
    )


def told(capsys: pytest.CaptureFixture[str], *arguments: Any) -> dict[str, Any]:
    call_command("outbox", "--json", *arguments)
    return json.loads(capsys.readouterr().out)


def test_list(parked: OutboxMessage, capsys: pytest.CaptureFixture[str]) -> None:
    report = told(capsys)
    assert [(row["id"], row["last_error"]) for row in report["parked"]] == [(parked.pk, "ValueError: no")]
    call_command("outbox")
    assert "a.task  20 attempts  ValueError: no" in capsys.readouterr().out


@pytest.mark.parametrize("named", [True, False])
def test_retry(parked: OutboxMessage, capsys: pytest.CaptureFixture[str], named: bool) -> None:
    ids = [str(parked.pk)] if named else []
    assert told(capsys, "--retry", *ids, "--dry-run")["retried"] == [parked.pk]
    assert OutboxMessage.objects.get().parked_at == NOW
    assert told(capsys, "--retry", *ids)["retried"] == [parked.pk]
    parked.refresh_from_db()
    assert (parked.parked_at, parked.attempts) == (None, 0)


def test_retry_of_what_is_not_parked(parked: OutboxMessage) -> None:
    with pytest.raises(CommandError) as error:
        call_command("outbox", "--retry", str(parked.pk + 1))
    assert error.value.returncode == 2
    parked.refresh_from_db()
    assert parked.parked_at == NOW
