"""What a page says in a language, found by its English source: so that one journey is gone in both."""

from __future__ import annotations

import gettext
import re
from dataclasses import dataclass

from sandbox.environment import ROOT

LOCALES = {"en": "en-GB", "fr": "fr-FR"}
PLACE = re.compile(r"%\((\w+)\)s")


class Missing(gettext.NullTranslations):
    """What is not in the catalogue is no text of ours."""

    def gettext(self, message: str) -> str:
        raise KeyError(message)


@dataclass(frozen=True)
class Tongue:
    """`language` is "en" or "fr"."""

    language: str

    @property
    def locale(self) -> str:
        """What the browser asks for."""
        return LOCALES[self.language]

    def __call__(self, source: str, **values: str) -> str:
        """The text, its places filled in. KeyError for a text that is not in the catalogue."""
        said = self._said(source)
        return PLACE.sub(lambda place: values[place[1]], said)

    def like(self, source: str, **values: str) -> re.Pattern[str]:
        """Any text made of that source; a place without a value may hold anything."""
        parts = PLACE.split(self._said(source))
        made = [
            re.escape(part) if number % 2 == 0 else re.escape(values[part]) if part in values else ".+"
            for number, part in enumerate(parts)
        ]
        return re.compile("".join(made))

    def _said(self, source: str) -> str:
        """With plain spaces, as the browser's driver compares."""
        if self.language == "en":
            said = source
        else:
            catalogue = gettext.translation("django", ROOT / "locale", [self.language])
            catalogue.add_fallback(Missing())
            said = catalogue.gettext(source)
        return re.sub(r"\s", " ", said).replace("%%", "%")
