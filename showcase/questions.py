"""What a question names: bodies, signs, a day, the Moon's phase. Pure; reads French and English alike."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from showcase.ephemeris import SUPPORTED_YEARS, Body, Sign
from showcase.words import WORDS

NOON = 12
Named = TypeVar("Named", Body, Sign)


class NoSuchDay(ValueError):
    """A date that the calendar does not have, such as 30 February."""


class YearOutOfRange(ValueError):
    """A date before or after the years the ephemeris covers."""


@dataclass(frozen=True)
class Question:
    """`at` is the instant asked about: the given one, or noon UTC of the day that is named."""

    bodies: tuple[Body, ...]
    signs: tuple[Sign, ...]
    phase: bool
    at: datetime


def read_question(text: str, *, language: str, at: datetime) -> Question:
    """What `text` asks for, `at` being the present instant. NoSuchDay, YearOutOfRange for days that cannot be."""
    folded = fold(text)
    day, rest = _take_day(folded, at)
    rest, phases_named = _PHASE.subn(" ", rest)
    words = re.findall(r"[a-z]+", rest)
    return Question(
        bodies=_named(words, _BODY_WORDS),
        signs=_named(words, _SIGN_WORDS | (_FRENCH_ONLY_SIGN_WORDS if language == "fr" else {})),
        phase=phases_named > 0,
        at=day,
    )


def fold(text: str) -> str:
    """Lower case without accents, with plain apostrophes: "Où est Vénus ?" becomes "ou est venus ?"."""
    decomposed = unicodedata.normalize("NFKD", text.casefold().replace("’", "'"))
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def _named(words: Iterable[str], table: Mapping[str, Named]) -> tuple[Named, ...]:
    return tuple(dict.fromkeys(table[word] for word in words if word in table))


def _take_day(folded: str, at: datetime) -> tuple[datetime, str]:
    """The instant asked about, and the text without the words that named it (`mars` is a month there)."""
    for pattern, read in _DAYS:
        if match := pattern.search(folded):
            rest = folded[: match.start()] + " " + folded[match.end() :]
            return read(match, at), rest
    return at, folded


def _noon(year: int, month: int, day: int) -> datetime:
    if year not in SUPPORTED_YEARS:
        raise YearOutOfRange(year)
    try:
        return datetime(year, month, day, NOON, tzinfo=UTC)
    except ValueError as error:
        raise NoSuchDay(f"{year}-{month}-{day}") from error


def _numeric(match: re.Match[str], _at: datetime) -> datetime:
    return _noon(int(match["year"]), int(match["month"]), int(match["day"]))


def _with_month_name(match: re.Match[str], at: datetime) -> datetime:
    year = int(match["year"]) if match["year"] else at.astimezone(UTC).year
    return _noon(year, _MONTHS[match["month"]], int(match["day"]))


def _days_away(days: int) -> Callable[[re.Match[str], datetime], datetime]:
    def read(_match: re.Match[str], at: datetime) -> datetime:
        moved = at.astimezone(UTC) + timedelta(days=days)
        return _noon(moved.year, moved.month, moved.day)

    return read


_MONTHS = {fold(name): number for words in WORDS.values() for number, name in enumerate(words.months, 1)}
_MONTH = "|".join(_MONTHS)
_DAYS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], datetime], datetime]], ...] = (
    (re.compile(r"\b(?P<year>[0-9]{4})-(?P<month>[0-9]{1,2})-(?P<day>[0-9]{1,2})\b"), _numeric),
    (re.compile(r"\b(?P<day>[0-9]{1,2})[/.](?P<month>[0-9]{1,2})[/.](?P<year>[0-9]{4})\b"), _numeric),
    (
        re.compile(
            rf"\b(?P<day>[0-9]{{1,2}})(?:st|nd|rd|th|er)?\s+(?:of\s+)?(?P<month>{_MONTH})"
            r"(?:,?\s+(?P<year>[0-9]{4}))?\b"
        ),
        _with_month_name,
    ),
    (
        re.compile(
            rf"\b(?P<month>{_MONTH})\s+(?P<day>[0-9]{{1,2}})(?:st|nd|rd|th)?(?:,?\s+(?P<year>[0-9]{{4}}))?\b"
        ),
        _with_month_name,
    ),
    (re.compile(r"\b(?:tomorrow|demain)\b"), _days_away(1)),
    (re.compile(r"\b(?:yesterday|hier)\b"), _days_away(-1)),
)

_PHASE = re.compile(
    r"\bphases?\b|\blunation\b"
    r"|\b(?:full|new|quarter|crescent|gibbous)\s+moon\b|\b(?:first|last|third)\s+quarter\b"
    r"|\b(?:pleine|nouvelle|demi)[ -]lune\b|\b(?:premier|dernier)\s+(?:quartier|croissant)\b"
)
_BODY_WORDS: dict[str, Body] = {
    **{body.value: body for body in Body},
    "soleil": Body.SUN,
    "lune": Body.MOON,
    "mercure": Body.MERCURY,
    "saturne": Body.SATURN,
    "pluton": Body.PLUTO,
}
# "balance" and "lion" are everyday words in English: they name signs only to those who use the product in French.
_FRENCH_ONLY_SIGN_WORDS: dict[str, Sign] = {"balance": Sign.LIBRA, "lion": Sign.LEO}
_SIGN_WORDS: dict[str, Sign] = {
    **{sign.value: sign for sign in Sign},
    **{
        fold(name): sign
        for sign, name in WORDS["fr"].signs.items()
        if fold(name) not in _FRENCH_ONLY_SIGN_WORDS
    },
}
