"""The README leads to every document, and no document leads nowhere."""

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs/adr").glob("*.md")),
]


def linked_from(document: Path) -> set[Path]:
    """The files that a document links to."""
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text())
    return {(document.parent / target).resolve() for target in targets if "://" not in target}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    assert {str(target) for target in linked_from(document) if not target.exists()} == set()


def test_the_readme_leads_to_every_document() -> None:
    linked = linked_from(ROOT / "README.md")
    assert {path.name for path in (ROOT / "docs").glob("*.md") if path not in linked} == set()


def test_each_row_is_promised_once() -> None:
    rows = re.findall(r"^\| ([A-Z]{2}-\d+) \|", (ROOT / "docs/features.md").read_text(), re.MULTILINE)
    assert [row for row, times in Counter(rows).items() if times > 1] == []
    assert len(rows) > 50
