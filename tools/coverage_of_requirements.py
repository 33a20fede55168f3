"""`make coverage-of-requirements`: every row of docs/features.md, and the rows that no passing test shows."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FEATURES = ROOT / "docs" / "features.md"
OUTCOMES = ROOT / "test-results" / "requirements.json"
# A row's id stands first in a table row or in a heading: "| PC-1 | …", "### PC-1 …".
ROW = re.compile(r"^(?:\|\s*|#{1,6}\s+)[`*]*([A-Z]{2}-\d+)\b", re.MULTILINE)


def main() -> int:
    """0 when every row has a passing test and no failing one, else 1."""
    missing = [path for path in (FEATURES, OUTCOMES) if not path.exists()]
    if missing:
        print(f"{missing[0].relative_to(ROOT)} is missing; `make test` writes the outcomes.", file=sys.stderr)
        return 2
    rows = list(dict.fromkeys(ROW.findall(FEATURES.read_text())))
    outcomes: dict[str, dict[str, str]] = json.loads(OUTCOMES.read_text())
    shown = [row for row in rows if _is_shown(outcomes.get(row, {}))]
    for row in rows:
        if row not in shown:
            print(f"{row}: {_why(outcomes.get(row, {}))}")
    for row in sorted(set(outcomes) - set(rows)):
        print(f"{row}: named by a test, but no row of docs/features.md")
    print(f"{len(shown)} of {len(rows)} rows are shown by passing tests")
    return 0 if len(shown) == len(rows) > 0 else 1


def _is_shown(tests: dict[str, str]) -> bool:
    return "passed" in tests.values() and "failed" not in tests.values()


def _why(tests: dict[str, str]) -> str:
    if not tests:
        return "no test"
    return ", ".join(f"{outcome}: {name}" for name, outcome in tests.items() if outcome != "passed")


if __name__ == "__main__":
    sys.exit(main())
