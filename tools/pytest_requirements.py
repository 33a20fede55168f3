"""Which requirement rows are shown by a test that passed.

`@pytest.mark.req("PC-6")` names the rows. With `--requirements FILE` the outcome of every row is written there, for
`make coverage-of-requirements`. With CI set, a skipped test that names a row, or needs a browser, fails the run: a
requirement nobody looked at is not green.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

ROWS = "requirement rows"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--requirements", type=Path, metavar="FILE", help="write each row's tests and outcomes")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # the process that leads, or the only one
        config.pluginmanager.register(Requirements(config), "requirements")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Reports cross from worker to leader with these properties, while markers do not."""
    for item in items:
        rows = [row for mark in item.iter_markers("req") for row in mark.args]
        item.user_properties.append((ROWS, rows))
        item.user_properties.append(("browser", item.get_closest_marker("browser") is not None))


class Requirements:
    """Gathers reports in the leading process."""

    def __init__(self, config: pytest.Config) -> None:
        self.file: Path | None = config.getoption("requirements")
        self.strict = bool(os.environ.get("CI"))
        self.outcomes: dict[str, dict[str, str]] = defaultdict(dict)
        self.missed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.passed:
            return
        properties: dict[str, Any] = dict(report.user_properties)
        for row in properties.get(ROWS, []):
            before = self.outcomes[row].get(report.nodeid, "passed")
            self.outcomes[row][report.nodeid] = report.outcome if before == "passed" else before
        if report.skipped and (properties.get(ROWS) or properties.get("browser")):
            self.missed.append(report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.file.write_text(json.dumps(self.outcomes, indent=1, sort_keys=True))
        if self.strict and self.missed and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.missed:
            judgement = (
                "which fails this run, as CI is set" if self.strict else "so this run does not show them"
            )
            terminalreporter.section(
                f"{len(self.missed)} requirement or browser tests were skipped", red=True
            )
            terminalreporter.line(f"{judgement}:")
            for name in self.missed:
                terminalreporter.line(f"  {name}")
