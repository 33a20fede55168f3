"""The French texts are complete, well set, and compiled."""

import io
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog

from tools import messages

NBSP = "\u00a0"


def test_the_french_texts_are_complete_and_compiled():
    """No string of the sources is missing, untranslated or fuzzy, and the committed .mo is the .po compiled."""
    assert list(messages.problems()) == []


def test_there_is_something_to_translate():
    found = messages.extracted()
    assert found.get("Choose a plan") is not None, "a template's {% translate %}"
    assert found.get("Choose %(name)s") is not None, "a template's {% blocktranslate %}"
    assert found.get("There is no active subscription. Choose a plan to go on.") is not None, (
        "a lazy Python string"
    )
    assert found.get("d", context="unit: days") is not None, "one with a context"


@pytest.mark.parametrize(
    "text",
    ["Vraiment ?", "Ainsi : cela", "« ceci »", "l'eau", "20,00 €", "Attendez...", "Vraiment?", "Fini.Fini."],
)
def test_bad_setting_is_found(text):
    assert messages.BAD_SETTING.search(text)


@pytest.mark.parametrize(
    "text",
    ["Vraiment\u202f?", f"Ainsi{NBSP}: cela", f"«{NBSP}ceci{NBSP}»", "l’eau", f"20,00{NBSP}€", "à 14:05"],
)
def test_good_setting_passes(text):
    assert not messages.BAD_SETTING.search(text)


def test_a_missing_placeholder_is_found():
    catalog = Catalog(locale="fr")
    message = catalog.add("Pay %(amount)s now", "Payer maintenant")
    assert [line for line in messages._problems_of(message) if "placeholders" in line]


def test_compiling_is_repeatable():
    catalog = messages.committed()
    assert messages.mo_bytes(catalog) == messages.mo_bytes(catalog)
    assert messages.mo_bytes(catalog)[:4] == b"\xde\x12\x04\x95"


def test_templates_keep_their_lines(tmp_path: Path):
    page = tmp_path / "page.html"
    page.write_text('<p>one</p>\n{% translate "Two" %}\n')
    source = messages._python_of(page)
    assert isinstance(source, io.BytesIO)
    assert "gettext" in source.getvalue().decode().splitlines()[1]
