"""What operators type, read strictly: argparse refuses what is none of these, with exit code 2, before anything is done."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import UTC, datetime

LONGEST_REASON = 200
LONGEST_KEY = 64
"""Of a key that a command's user makes up: together with what is put before it, it fits every column of keys."""


def reason(text: str) -> str:
    """Why something is done: a line of 1 to 200 characters that can be kept."""
    return _line(text, LONGEST_REASON)


def key(text: str) -> str:
    """A name of one's own for an act: 1 to 64 characters, so that two acts are never taken for one."""
    return _line(text, LONGEST_KEY)


def count(most: int) -> Callable[[str], int]:
    """A whole number from 1 to `most`."""

    def whole_number(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= most):
            raise ArgumentTypeError(f"a whole number from 1 to {most}")
        return int(text)

    return whole_number


def instant(text: str) -> datetime:
    """RFC 3339, in UTC; a day begins at midnight, and what says no offset is UTC."""
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ArgumentTypeError(f"{text!r} is no time: 2027-01-31 or 2027-01-31T12:00:00Z") from error


def _line(text: str, longest: int) -> str:
    line = " ".join(text.split())
    if not 1 <= len(line) <= longest or not line.isprintable():
        raise ArgumentTypeError(f"1 to {longest} characters on one line")
    return line
