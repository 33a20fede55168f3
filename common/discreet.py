"""What an error says, without what it is about: databases and mail servers quote values in their messages."""

from __future__ import annotations

import re

PART = r"[^\s@<>\"'(),;:{}\[\]=]{1,254}"
ADDRESS = re.compile(f"{PART}@{PART}")
"""No part is longer, and without a bound a long text without any would be read once for each of its characters."""
DETAILS = re.compile(r"\n(DETAIL|CONTEXT|LINE \d+): .*", re.DOTALL)
"""PostgreSQL tells there which row it was about, with its values."""


def discreet(text: str) -> str:
    """The text up to a database's details, with e-mail addresses blotted out."""
    return ADDRESS.sub("…@…", DETAILS.sub("", text))


def error_text(error: BaseException) -> str:
    """Its kind and what it says, for people who may not see whom it was about."""
    return discreet(f"{type(error).__name__}: {error}")
