"""What operators type is refused before anything is done."""

import subprocess
import sys
from argparse import ArgumentTypeError
from datetime import UTC, datetime
from pathlib import Path

import pytest

from common.management import arguments

pytestmark = pytest.mark.req("OP-4")


@pytest.mark.parametrize("kind", [arguments.reason, arguments.key])
@pytest.mark.parametrize("text", ["", "  ", "a\0b", "\udcff", "x" * 201, "\x1b[31mred"])
def test_no_line(kind, text):
    with pytest.raises(ArgumentTypeError):
        kind(text)


def test_a_line():
    assert arguments.reason("  asked by\nletter, Noé ") == "asked by letter, Noé"
    assert arguments.key("k" * 64) == "k" * 64
    with pytest.raises(ArgumentTypeError):
        arguments.key("k" * 65)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "x", "٣", "1001", "9" * 40])
def test_no_count(text):
    with pytest.raises(ArgumentTypeError):
        arguments.count(1000)(text)


def test_a_count():
    assert [arguments.count(1000)(text) for text in ("1", "1000")] == [1, 1000]


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "2027-02-30", "9999-12-31T23:59-10:00", "0001-01-01T00:00+10:00"]
)
def test_no_instant(text):
    with pytest.raises(ArgumentTypeError):
        arguments.instant(text)


@pytest.mark.parametrize("text", ["2027-01-31", "2027-01-31T00:00:00Z", "2027-01-31T02:00+02:00"])
def test_an_instant(text):
    assert arguments.instant(text) == datetime(2027, 1, 31, tzinfo=UTC)


def test_what_is_no_text_is_refused_by_every_command():
    manage = Path(__file__).parents[2] / "manage.py"
    done = subprocess.run(
        [sys.executable, manage, "explain", "--request", b"\xff\xfe"], capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"not UTF-8" in done.stderr
