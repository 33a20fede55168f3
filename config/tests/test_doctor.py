"""`doctor` says what is wrong and what mends it, changes nothing, and its exit code says whether the patient is fit."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

import billing.doctor
import config.doctor
import quotas.doctor
from common import doctor
from common.doctor import Symptom

pytestmark = pytest.mark.req("OP-4")


def _told(check: Callable[[], Any]) -> list[tuple[str, str]]:
    return [(symptom.level, symptom.mend) for symptom in check()]


def _sick() -> Iterator[Symptom]:
    yield doctor.warning("pale", mend="sleep")
    yield doctor.failing("no pulse", mend="run")


@pytest.mark.parametrize(("skip", "code"), [([], 1), (["heart"], None)])
def test_the_worst_symptom_decides(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], skip: list[str], code: int | None
) -> None:
    monkeypatch.setattr(doctor, "_checks", {"heart": _sick, "head": lambda: iter(())})
    try:
        call_command("doctor", "--json", *(f"--skip={name}" for name in skip))
        ended = None
    except SystemExit as end:
        ended = end.code
    assert ended == code
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is (code is None)
    assert [one["level"] for one in told["checks"]] == (["ok"] if skip else ["failing", "ok"])


def test_a_name_nobody_registered_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_checks", {"heart": _sick})
    with pytest.raises(CommandError, match="no check named knee"):
        call_command("doctor", "knee")


@pytest.mark.django_db
def test_a_missing_partition_is_found(django_assert_num_queries: Any) -> None:
    from django.db import connection

    with django_assert_num_queries(1):
        assert _told(quotas.doctor.partitions) == []
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_char(palier_now() AT TIME ZONE 'UTC' + interval '1 month', 'YYYYMM')")
        cursor.execute(f"DROP TABLE quotas_usagerecord_{cursor.fetchone()[0]}")
    assert [level for level, _ in _told(quotas.doctor.partitions)] == ["warning"]


@pytest.mark.django_db
def test_a_promise_that_failed_too_often_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config.doctor.gauges, "outbox_parked", lambda: 2.0)
    monkeypatch.setattr(config.doctor.gauges, "outbox_oldest_seconds", lambda: 900.0)
    assert [level for level, _ in _told(config.doctor.promises)] == ["failing", "failing"]


@override_settings(CELERY_BROKER_URL="redis://127.0.0.1:9/0")
def test_an_address_that_nobody_serves_is_found() -> None:
    with override_settings(
        BASE_URL="http://127.0.0.1:9", STRIPE_WEBHOOK_UUID="5e2f5c1e-9e0f-4a77-bb4e-000000000000"
    ):
        assert [level for level, _ in _told(billing.doctor.deliveries)] == ["failing"]


def test_no_key_no_sales() -> None:
    with override_settings(STRIPE_SECRET_KEY=""):
        assert _told(billing.doctor.stripe) == [("failing", "Set STRIPE_SECRET_KEY.")]


@pytest.mark.parametrize("apart_s", [-30, 30])
def test_clocks_that_differ_are_found(monkeypatch: pytest.MonkeyPatch, apart_s: int) -> None:
    from datetime import UTC, datetime, timedelta

    monkeypatch.setattr(config.doctor, "real_now", lambda: datetime.now(UTC) + timedelta(seconds=apart_s))
    monkeypatch.setattr(config.doctor.checks, "moved_clock", lambda **_: [])
    assert [level for level, _ in _told(config.doctor.clocks)] == ["failing"]
