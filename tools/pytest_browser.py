"""Browser tests drive the system's Chromium. Without one they are skipped by name, and in CI that is a failure."""

from __future__ import annotations

import os
from typing import Any

import pytest
from playwright.sync_api import expect

from sandbox.browser import find_chromium

PATIENCE_MS = 20_000
"""What a page is given to come to show what it is expected to; Playwright's own five seconds are short for a busy machine."""


def pytest_configure() -> None:
    expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if find_chromium() is not None:
        return
    skip = pytest.mark.skip(reason="no Chromium: install the package `chromium`, or set CHROMIUM to its path")
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Chromium refuses its own sandbox to root; what it loads here is only ours."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    return {**browser_type_launch_args, "executable_path": find_chromium(), "args": arguments}
