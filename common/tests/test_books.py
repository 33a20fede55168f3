"""`verify_books` says what does not add up, and its exit code says that something does not."""

import json
from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command

from common import books

pytestmark = [pytest.mark.django_db, pytest.mark.req("OP-4", "QU-4")]


@pytest.fixture
def _wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    books.names()  # the real ones are found now, and not while others stand in their place: that is done once a process
    monkeypatch.setattr(books, "_checks", {"test.right": lambda: iter(()), "test.wrong": _two_findings})


def _two_findings() -> Iterator[str]:
    yield "one"
    yield "two"


@pytest.mark.usefixtures("_wrong")
@pytest.mark.broken_books
def test_findings_fail(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command("verify_books", "--json")
    assert ended.value.code == 1
    told = [{"check": "test.wrong", "text": "one"}, {"check": "test.wrong", "text": "two"}]
    assert json.loads(capsys.readouterr().out) == {"ok": False, "findings": told}
    assert books.verify_all() == ["test.wrong: one", "test.wrong: two"]


@pytest.mark.usefixtures("_wrong")
@pytest.mark.broken_books
def test_only_some(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("verify_books", "test.right", "--no-color")
    assert capsys.readouterr().out == "The books are right.\n"


def test_unknown_check_is_told_from_a_finding() -> None:
    with pytest.raises(CommandError) as error:
        call_command("verify_books", "no.such")
    assert error.value.returncode == 2


def test_two_checks_cannot_share_a_name() -> None:
    books.check("test.twice")(lambda: iter(()))
    with pytest.raises(ValueError, match=r"test\.twice"):
        books.check("test.twice")(_two_findings)
    del books._checks["test.twice"]


@pytest.mark.django_db(transaction=True)
def test_all_checks_see_one_moment_and_cannot_write() -> None:
    from django.db import InternalError, connection

    def writes() -> Iterator[str]:
        connection.cursor().execute("DELETE FROM common_outboxmessage")
        yield ""

    books.check("test.writes")(writes)
    try:
        with pytest.raises(InternalError, match="read-only"):
            books.findings(["test.writes"])
    finally:
        del books._checks["test.writes"]
