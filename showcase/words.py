"""The oracle's vocabulary in its two languages: what it says, and what it understands.

Kept apart from the pages' translations: a reply is composed from inflected parts ("du Capricorne"), not translated
sentence by sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from showcase.ephemeris import Body, PhaseName, Sign


@dataclass(frozen=True)
class Words:
    """One language. The `…_line` texts are str.format templates; `in_sign` is the sign as it follows a degree."""

    bodies: Mapping[Body, str]
    signs: Mapping[Sign, str]
    in_sign: Mapping[Sign, str]
    phases: Mapping[PhaseName, str]
    months: tuple[str, ...]
    first_of_month: str
    heading_line: str
    date: str
    position_line: str
    retrograde: str
    sign_line: str
    empty_sign_line: str
    phase_line: str
    no_such_day: str
    year_out_of_range: str


_ENGLISH_SIGNS = {sign: sign.value.capitalize() for sign in Sign}

ENGLISH = Words(
    bodies={body: body.value.capitalize() for body in Body} | {Body.SUN: "the Sun", Body.MOON: "the Moon"},
    signs=_ENGLISH_SIGNS,
    in_sign={sign: f"in {name}" for sign, name in _ENGLISH_SIGNS.items()},
    phases={
        PhaseName.NEW: "new",
        PhaseName.WAXING_CRESCENT: "waxing crescent",
        PhaseName.FIRST_QUARTER: "first quarter",
        PhaseName.WAXING_GIBBOUS: "waxing gibbous",
        PhaseName.FULL: "full",
        PhaseName.WANING_GIBBOUS: "waning gibbous",
        PhaseName.LAST_QUARTER: "last quarter",
        PhaseName.WANING_CRESCENT: "waning crescent",
    },
    months=(
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
    first_of_month="1",
    heading_line="On {date} at {time} UTC:",
    date="{day} {month} {year}",
    position_line="{body} stands at {degree}°{minute:02}′ {in_sign}{retrograde}.",
    retrograde=", retrograde",
    sign_line="{sign}: {bodies}.",
    empty_sign_line="{sign}: nothing stands there.",
    phase_line="Moon: {phase}, {lit}% lit. Full on {full} UTC, new on {new} UTC.",
    no_such_day="There is no such day in the calendar.",
    year_out_of_range="I can follow the planets from the year {first} to {last} only.",
)

FRENCH = Words(
    bodies={
        Body.SUN: "le Soleil",
        Body.MOON: "la Lune",
        Body.MERCURY: "Mercure",
        Body.VENUS: "Vénus",
        Body.MARS: "Mars",
        Body.JUPITER: "Jupiter",
        Body.SATURN: "Saturne",
        Body.URANUS: "Uranus",
        Body.NEPTUNE: "Neptune",
        Body.PLUTO: "Pluton",
    },
    signs={
        Sign.ARIES: "Bélier",
        Sign.TAURUS: "Taureau",
        Sign.GEMINI: "Gémeaux",
        Sign.CANCER: "Cancer",
        Sign.LEO: "Lion",
        Sign.VIRGO: "Vierge",
        Sign.LIBRA: "Balance",
        Sign.SCORPIO: "Scorpion",
        Sign.SAGITTARIUS: "Sagittaire",
        Sign.CAPRICORN: "Capricorne",
        Sign.AQUARIUS: "Verseau",
        Sign.PISCES: "Poissons",
    },
    in_sign={
        Sign.ARIES: "du Bélier",
        Sign.TAURUS: "du Taureau",
        Sign.GEMINI: "des Gémeaux",
        Sign.CANCER: "du Cancer",
        Sign.LEO: "du Lion",
        Sign.VIRGO: "de la Vierge",
        Sign.LIBRA: "de la Balance",
        Sign.SCORPIO: "du Scorpion",
        Sign.SAGITTARIUS: "du Sagittaire",
        Sign.CAPRICORN: "du Capricorne",
        Sign.AQUARIUS: "du Verseau",
        Sign.PISCES: "des Poissons",
    },
    phases={
        PhaseName.NEW: "nouvelle",
        PhaseName.WAXING_CRESCENT: "premier croissant",
        PhaseName.FIRST_QUARTER: "premier quartier",
        PhaseName.WAXING_GIBBOUS: "gibbeuse croissante",
        PhaseName.FULL: "pleine",
        PhaseName.WANING_GIBBOUS: "gibbeuse décroissante",
        PhaseName.LAST_QUARTER: "dernier quartier",
        PhaseName.WANING_CRESCENT: "dernier croissant",
    },
    months=(
        *("janvier", "février", "mars", "avril", "mai", "juin"),
        *("juillet", "août", "septembre", "octobre", "novembre", "décembre"),
    ),
    first_of_month="1er",
    heading_line="Le {date} à {time} UTC\u00a0:",
    date="{day} {month} {year}",
    position_line="{body} se trouve à {degree}°{minute:02}′ {in_sign}{retrograde}.",
    retrograde=", rétrograde",
    sign_line="{sign}\u00a0: {bodies}.",
    empty_sign_line="{sign}\u00a0: aucun astre.",
    phase_line="Lune\u00a0: {phase}, éclairée à {lit}\u00a0%. Pleine le {full} UTC, nouvelle le {new} UTC.",
    no_such_day="Ce jour n’existe pas dans le calendrier.",
    year_out_of_range="Je ne suis les planètes que de l’an {first} à l’an {last}.",
)

WORDS: Mapping[str, Words] = {"en": ENGLISH, "fr": FRENCH}
