"""The account of requirements: rows, their tests, and what CI makes of a skipped one."""

import json

import pytest

from tools import coverage_of_requirements

pytest_plugins = ["pytester"]

TESTS = """
import pytest

@pytest.mark.req("AA-1", "AA-2")
def test_passes(): pass

@pytest.mark.req("AA-2")
def test_fails(): assert False

@pytest.mark.req("AA-3")
@pytest.mark.skip(reason="no")
def test_skipped(): pass
"""
FEATURES = (
    "# Features\n| id | row |\n|---|---|\n| AA-1 | one |\n| AA-2 | two |\n| AA-3 | three |\n\n### AA-4 four\n"
)


@pytest.fixture
def outcomes(pytester, monkeypatch):
    """Run a little suite with the plugin; (exit code, what it wrote, its output)."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # for speed
    monkeypatch.delenv("PYTEST_PLUGINS", raising=False)
    pytester.makeini("[pytest]\nmarkers =\n  req(*ids): rows\n  browser: needs Chromium\n")

    def run(code, *arguments):
        pytester.makepyfile(code)
        options = [
            "-p",
            "tools.pytest_requirements",
            "-p",
            "xdist",
            "--requirements",
            "out.json",
            *arguments,
        ]
        result = pytester.runpytest_subprocess(*options)
        return result, json.loads((pytester.path / "out.json").read_text())

    return run


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "two workers"])
def test_every_row_has_its_tests_and_outcomes(outcomes, workers):
    _, rows = outcomes(TESTS, *workers)
    assert {row: sorted(tests.values()) for row, tests in rows.items()} == {
        "AA-1": ["passed"],
        "AA-2": ["failed", "passed"],
        "AA-3": ["skipped"],
    }


@pytest.mark.parametrize(("ci", "expected"), [("", 0), ("true", 1)])
def test_a_skipped_requirement_fails_ci_only(outcomes, monkeypatch, ci, expected):
    monkeypatch.setenv("CI", ci)
    result, _ = outcomes("import pytest\n@pytest.mark.req('AA-1')\ndef test_it(): pytest.skip('no')\n")
    assert result.ret == expected
    result.stdout.fnmatch_lines(["*1 requirement or browser tests were skipped*"])


def test_rows_without_a_passing_test_are_listed(tmp_path, monkeypatch, capsys):
    features, written = tmp_path / "features.md", tmp_path / "requirements.json"
    features.write_text(FEATURES)
    written.write_text(
        json.dumps({"AA-1": {"a": "passed"}, "AA-2": {"a": "passed", "b": "failed"}, "ZZ-9": {}})
    )
    monkeypatch.setattr(coverage_of_requirements, "FEATURES", features)
    monkeypatch.setattr(coverage_of_requirements, "OUTCOMES", written)
    assert coverage_of_requirements.main() == 1
    assert capsys.readouterr().out.splitlines() == [
        "AA-2: failed: b",
        "AA-3: no test",
        "AA-4: no test",
        "ZZ-9: named by a test, but no row of docs/features.md",
        "1 of 4 rows are shown by passing tests",
    ]
