"""Every database test is followed by a look at the books, and what does not add up fails that very test."""

import os
import re
import subprocess
import sys

import pytest

from sandbox.environment import ROOT

INNER = """
import pytest
from common import books

@pytest.fixture(autouse=True)
def wrong(monkeypatch):
    monkeypatch.setattr(books, "verify_all", lambda: [{findings}])

def test_without_database(): pass

def test_rolled_back(db): pass

def test_committed(committed_db): pass

@pytest.mark.broken_books
def test_breaks_them(db): pass
"""


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        ("", {"test_breaks_them": "marked broken_books, yet the books are right"}),
        (
            "'used is not the sum of records'",
            {"test_rolled_back": "used is not the sum", "test_committed": "used is not the sum"},
        ),
    ],
    ids=["books right", "books wrong"],
)
def test_the_test_that_leaves_the_books_wrong_fails(tmp_path, db, findings, expected):
    file = tmp_path / "test_inner.py"
    file.write_text(INNER.format(findings=findings))
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "--rootdir", ".", str(file), "-q"]
    plugins = {"PYTEST_PLUGINS": "tools.pytest_environment,conftest"}
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **plugins}, capture_output=True, text=True, check=False
    )
    failed = dict(re.findall(r"^ERROR \S*::(\w+) - (.*)$", done.stdout, re.MULTILINE))
    assert failed.keys() == expected.keys(), done.stdout + done.stderr
    for name, reason in expected.items():
        assert reason in done.stdout, name
    assert f"4 passed, {len(expected)} error" in done.stdout
