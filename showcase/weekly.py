"""What a week's sky has to do with a sign: where the Moon goes, and the aspects that concern it. Pure.

An aspect is an angle between two bodies, seen from the Earth, that is nearly one of five. It concerns a sign when one
of the two stands in it or rules it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from functools import lru_cache
from itertools import combinations

from showcase.ephemeris import SUPPORTED_YEARS, Body, Position, Sign, positions_at

NOON = time(12, tzinfo=UTC)
WIDEST_ORB = 8.0
DAYS_KEPT = 800

RULERS = {
    Sign.ARIES: Body.MARS,
    Sign.TAURUS: Body.VENUS,
    Sign.GEMINI: Body.MERCURY,
    Sign.CANCER: Body.MOON,
    Sign.LEO: Body.SUN,
    Sign.VIRGO: Body.MERCURY,
    Sign.LIBRA: Body.VENUS,
    Sign.SCORPIO: Body.PLUTO,
    Sign.SAGITTARIUS: Body.JUPITER,
    Sign.CAPRICORN: Body.SATURN,
    Sign.AQUARIUS: Body.URANUS,
    Sign.PISCES: Body.NEPTUNE,
}


class Aspect(Enum):
    """The angle, in degrees."""

    CONJUNCTION = 0
    SEXTILE = 60
    SQUARE = 90
    TRINE = 120
    OPPOSITION = 180


@dataclass(frozen=True, slots=True)
class Found:
    """`orb`: how far the angle is from the exact one, in degrees."""

    body: Body
    other: Body
    aspect: Aspect
    orb: float


@dataclass(frozen=True, slots=True)
class DayOfSign:
    """One day at noon, UTC."""

    day: date
    moon_sign: Sign
    aspects: tuple[Found, ...]


def week_of_sign(sign: Sign, year: int, week: int) -> tuple[DayOfSign, ...]:
    """Monday to Sunday of an ISO week. ValueError when there is no such week, or the ephemeris does not reach it."""
    monday = date.fromisocalendar(year, week, 1)
    days = [monday + timedelta(days=n) for n in range(7)]
    if any(day.year not in SUPPORTED_YEARS for day in days):
        raise ValueError(f"{year} is not between {SUPPORTED_YEARS[0]} and {SUPPORTED_YEARS[-1]}")
    return tuple(_day(sign, day) for day in days)


def week_name(day: date) -> str:
    """The ISO week that holds a day, as YYYY-Www."""
    year, week, _ = day.isocalendar()
    return f"{year:04}-W{week:02}"


def _day(sign: Sign, day: date) -> DayOfSign:
    positions = _sky(day)
    moon = next(position for position in positions if position.body is Body.MOON)
    concerned = {position.body for position in positions if position.sign is sign} | {RULERS[sign]}
    aspects = tuple(found for found in aspects_of(positions) if {found.body, found.other} & concerned)
    return DayOfSign(day, moon.sign, aspects)


def aspects_of(positions: tuple[Position, ...]) -> Iterator[Found]:
    """Every pair of bodies whose angle is within WIDEST_ORB of an aspect."""
    for one, other in combinations(positions, 2):
        apart = abs((one.longitude - other.longitude + 180) % 360 - 180)
        for aspect in Aspect:
            orb = abs(apart - aspect.value)
            if orb <= WIDEST_ORB:
                yield Found(one.body, other.body, aspect, round(orb, 2))


@lru_cache(maxsize=DAYS_KEPT)
def _sky(day: date) -> tuple[Position, ...]:
    return positions_at(datetime.combine(day, NOON))
