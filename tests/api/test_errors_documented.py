"""docs/errors.md lists every code there is, with its status, and none that is not."""

import re
from pathlib import Path

import pytest

from common.errors import DomainError
from common.openapi import all_errors

pytestmark = pytest.mark.req("PC-3", "EN-6")

ROW = re.compile(r"^\| (\d{3}) \| `([a-z0-9_]+)` \| .+ \| (yes|no) \| .*\|$", re.MULTILINE)


def test_documented_as_they_are() -> None:
    page = (Path(__file__).parents[2] / "docs" / "errors.md").read_text()
    told = {(int(status), code, retry == "yes") for status, code, retry in ROW.findall(page)}
    ours = [error for error in all_errors() if "tests" not in error.__module__.split(".")]
    assert told == {(error.status, error.code, error.retryable) for error in ours}


def test_codes_are_words_and_belong_to_one_status() -> None:
    statuses: dict[str, set[int]] = {}
    stack = [DomainError]
    while stack:
        error = stack.pop()
        statuses.setdefault(error.code, set()).add(error.status)
        stack.extend(error.__subclasses__())
    # A base class for a status has no code of its own; it is never raised as such.
    del statuses["internal_error"]
    assert {code: found for code, found in statuses.items() if len(found) > 1} == {}
    assert all(re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", code) for code in statuses)
