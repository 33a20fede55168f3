"""What an error says, without what it is about: databases and mail servers quote values in their messages."""

from __future__ import annotations

import re

ADDRESS = re.compile(r"[^\s@<>\"'(),;:{}\[\]=]+@[^\s@<>\"'(),;:{}\[\]=]+")
DETAILS = re.compile(r"\n(DETAIL|CONTEXT|LINE \d+): .*", re.DOTALL)
"""PostgreSQL tells there which row it was about, with its values."""


def discreet(text: str) -> str:
    """The text up to a database's details, with e-mail addresses blotted out."""
    return ADDRESS.sub("…@…", DETAILS.sub("", text))


def error_text(error: BaseException) -> str:
    """Its kind and what it says, for people who may not see whom it was about."""
    return discreet(f"{type(error).__name__}: {error}")
