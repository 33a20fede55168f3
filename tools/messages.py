"""`python -m tools.messages update|compile|check`: the French texts, without gettext's programs.

update   reads every string marked for translation out of the sources into locale/fr/LC_MESSAGES/django.po: new ones
         empty, vanished ones gone, translated ones kept.
compile  writes the .mo from the .po; it is committed, so that nobody needs this to run Palier.
check    says what is missing, untranslated, out of date or set badly; exit code 1 when there is anything.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from sandbox.environment import ROOT

LOCALE = "fr"
PO = ROOT / "locale" / LOCALE / "LC_MESSAGES" / "django.po"
MO = PO.with_suffix(".mo")
ROOMS = ("accounts", "billing", "common", "config", "enterprise", "quotas", "showcase")
NOT_SOURCES = {"tests", "migrations"}
KEYWORDS: dict[str, tuple[int | tuple[int, str], ...] | None] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}
WIDE = re.compile("\u00a0(?=[;!?])")
HEADER = "French texts of Palier. Non-breaking spaces stand before : and inside guillemets, narrow ones before ; ! ?."
HEADER_NOISE = re.compile(
    rb'"(POT-Creation-Date|PO-Revision-Date|Last-Translator|Report-Msgid-Bugs-To|Language-Team|Generated-By):[^"]*"\n'
)
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|%%|<[^>]+>")
# Plain or wide spaces where French wants a non-breaking or narrow one, straight quotes that should be typographic, and
# sentences without a space between, as where a text stands twice.
BAD_SETTING = re.compile(
    r"[^\s\u00a0\u202f] [:;!?»%€]|« |[^\u00a0\u202f ][!?;»]|\u00a0[;!?]|\w'\w|\.\.\.|[a-zà-ÿ][.!?][A-ZÀ-Ý]"
)


def sources() -> Iterator[Path]:
    """Python files of the rooms, and all templates."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            if not NOT_SOURCES & set(path.relative_to(ROOT).parts):
                yield path
    for suffix in ("*.html", "*.txt"):
        yield from sorted((ROOT / "templates").rglob(suffix))


def extracted() -> Catalog:
    """Every marked string, with where it stands."""
    catalog = Catalog(locale=LOCALE)
    for path in sources():
        place = str(path.relative_to(ROOT))
        for line, message, comments, context in extract(
            "python", _python_of(path), KEYWORDS, ("Translators:",)
        ):
            catalog.add(message, None, [(place, line)], auto_comments=comments, context=context)
    return catalog


def _python_of(path: Path) -> io.BytesIO:
    """A template's marked strings as Python calls, each on its line."""
    text = path.read_text()
    if path.suffix != ".py":
        from django.conf import settings
        from django.utils.translation.template import templatize

        if not settings.configured:
            settings.configure()
        # Without indentation: what is left between the calls is no Python, and must not look like blocks.
        text = "\n".join(line.lstrip() for line in templatize(text, origin=str(path)).splitlines())
    return io.BytesIO(text.encode())


def committed() -> Catalog:
    with PO.open("rb") as file:
        return read_po(file, locale=LOCALE)


def update() -> None:
    """Merge the sources' strings into the .po, and make the wide spaces before ; ! ? narrow."""
    catalog = committed() if PO.exists() else Catalog(locale=LOCALE)
    catalog.update(extracted(), no_fuzzy_matching=True, update_creation_date=False)
    catalog.obsolete.clear()
    for message in catalog:
        texts = tuple(WIDE.sub("\u202f", text) for text in _texts(message.string))
        message.string = texts if message.pluralizable else texts[0]
    PO.write_bytes(po_bytes(catalog))


def po_bytes(catalog: Catalog) -> bytes:
    """The file without what changes by itself: line numbers and dates."""
    catalog.header_comment = f"# {HEADER}"
    catalog.project, catalog.version, catalog.fuzzy = "Palier", "1", False
    buffer = io.BytesIO()
    write_po(buffer, catalog, width=110, sort_output=True, no_location=True)
    return HEADER_NOISE.sub(b"", buffer.getvalue())


def mo_bytes(catalog: Catalog) -> bytes:
    buffer = io.BytesIO()
    write_mo(buffer, catalog)
    return re.sub(
        rb"(POT-Creation|PO-Revision)-Date:[^\n]*", lambda match: b" " * len(match.group()), buffer.getvalue()
    )


def problems() -> Iterator[str]:
    """Whatever is wrong with the French texts, one line each."""
    catalog = committed()
    known = {_key(message): message for message in catalog if message.id}
    for message in extracted():
        if message.id and _key(message) not in known:
            yield f"not in the .po: {message.id!r}"
    for message in known.values():
        yield from _problems_of(message)
    if not MO.exists() or MO.read_bytes() != mo_bytes(catalog):
        yield "the .mo is not the .po compiled: python -m tools.messages compile"


def _key(message: Message) -> tuple[str | None, str]:
    return message.context, message.id if isinstance(message.id, str) else message.id[0]


def _problems_of(message: Message) -> Iterator[str]:
    if message.fuzzy:
        yield f"fuzzy: {message.id!r}"
    for text in _texts(message.string):
        if not text:
            yield f"untranslated: {message.id!r}"
        elif not any(_placeholders(text) == _placeholders(one) for one in _texts(message.id)):
            yield f"placeholders differ: {message.id!r} and {text!r}"
        elif found := BAD_SETTING.search(_without_code(text)):
            yield f"badly set ({found.group()!r}): {text!r}"


def _texts(value: str | Iterable[str] | None) -> list[str]:
    return [value or ""] if value is None or isinstance(value, str) else list(value)


def _placeholders(text: str) -> list[str]:
    return sorted(PLACEHOLDER.findall(text))


def _without_code(text: str) -> str:
    return re.sub(r"https?://\S+|manage\.py [^.]*", "", PLACEHOLDER.sub("x", text))


def compile_mo() -> None:
    MO.write_bytes(mo_bytes(committed()))


def main(arguments: list[str]) -> int:
    """0, or 1 when `check` found something, or 2 for a command there is not."""
    if arguments == ["update"]:
        update()
    elif arguments == ["compile"]:
        compile_mo()
    elif arguments == ["check"]:
        found = list(problems())
        print("\n".join(found) or "The French texts are complete.")
        return int(bool(found))
    else:
        print(__doc__)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
