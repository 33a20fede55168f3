"""Where the Sun, the Moon and the planets stand, seen from the Earth's centre in the tropical zodiac.

Pure functions of an instant: apparent longitudes on the true ecliptic of date, in degrees. Good to about one
minute of arc in the years that `SUPPORTED_YEARS` names; outside of them Pluto's orbit costs too much to follow.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum

import astronomy

SUPPORTED_YEARS = range(1600, 2400)
# The library keeps pieces of Pluto's orbit, and lets a second thread see one that the first has only begun.
_one_at_a_time = threading.Lock()
SIGN_DEGREES = 30
LONGEST_LUNATION_DAYS = 30.0
HALF_STEP = timedelta(hours=1)


class Body(StrEnum):
    """What wanders through the zodiac, in the usual order."""

    SUN = "sun"
    MOON = "moon"
    MERCURY = "mercury"
    VENUS = "venus"
    MARS = "mars"
    JUPITER = "jupiter"
    SATURN = "saturn"
    URANUS = "uranus"
    NEPTUNE = "neptune"
    PLUTO = "pluto"


class Sign(StrEnum):
    """Twelve times thirty degrees from the March equinox."""

    ARIES = "aries"
    TAURUS = "taurus"
    GEMINI = "gemini"
    CANCER = "cancer"
    LEO = "leo"
    VIRGO = "virgo"
    LIBRA = "libra"
    SCORPIO = "scorpio"
    SAGITTARIUS = "sagittarius"
    CAPRICORN = "capricorn"
    AQUARIUS = "aquarius"
    PISCES = "pisces"


SIGNS = tuple(Sign)


class PhaseName(StrEnum):
    """Eight eighths of a lunation, each centred on the angle it is named for."""

    NEW = "new"
    WAXING_CRESCENT = "waxing_crescent"
    FIRST_QUARTER = "first_quarter"
    WAXING_GIBBOUS = "waxing_gibbous"
    FULL = "full"
    WANING_GIBBOUS = "waning_gibbous"
    LAST_QUARTER = "last_quarter"
    WANING_CRESCENT = "waning_crescent"


PHASES = tuple(PhaseName)


class Lunation(Enum):
    """The Moon's elongation from the Sun, in degrees, at the two events people ask for."""

    NEW = 0.0
    FULL = 180.0


@dataclass(frozen=True)
class Position:
    """A body's place. `longitude` is in [0, 360); `degree` and `minute` count from the start of `sign`."""

    body: Body
    longitude: float
    sign: Sign
    degree: int
    minute: int
    retrograde: bool


@dataclass(frozen=True)
class MoonPhase:
    """`angle` from the Sun in [0, 360), the lit part of the disc in percent, and what comes next."""

    angle: float
    name: PhaseName
    lit_percent: int
    next_full_at: datetime
    next_new_at: datetime


def longitude_of(body: Body, at: datetime) -> float:
    """Apparent geocentric longitude in degrees, [0, 360)."""
    return _longitude(body, _time(at))


def position_of(body: Body, at: datetime) -> Position:
    """Place and direction at an aware instant. ValueError outside SUPPORTED_YEARS."""
    longitude = longitude_of(body, at)
    whole_minutes = int(longitude * 60)
    sign, minutes_in_sign = divmod(whole_minutes, SIGN_DEGREES * 60)
    degree, minute = divmod(minutes_in_sign, 60)
    return Position(body, longitude, SIGNS[sign], degree, minute, _moves_backward(body, at))


def positions_at(at: datetime) -> tuple[Position, ...]:
    """All bodies at an aware instant."""
    return tuple(position_of(body, at) for body in Body)


def moon_phase_at(at: datetime) -> MoonPhase:
    """The Moon's phase at an aware instant, and when it is next full and next new."""
    time = _time(at)
    angle = astronomy.MoonPhase(time)
    lit = astronomy.Illumination(astronomy.Body.Moon, time).phase_fraction
    eighth = int((angle + 22.5) // 45) % len(PHASES)
    return MoonPhase(
        angle=angle,
        name=PHASES[eighth],
        lit_percent=round(lit * 100),
        next_full_at=next_lunation(Lunation.FULL, at),
        next_new_at=next_lunation(Lunation.NEW, at),
    )


def next_lunation(event: Lunation, at: datetime) -> datetime:
    """The first full or new moon after `at`, UTC, to the minute."""
    found = astronomy.SearchMoonPhase(event.value, _time(at), LONGEST_LUNATION_DAYS)
    if found is None:
        raise ArithmeticError(f"no {event.name} moon within {LONGEST_LUNATION_DAYS} days of {at}")
    instant = found.Utc().replace(tzinfo=UTC) + timedelta(seconds=30)
    return instant.replace(second=0, microsecond=0)


def _moves_backward(body: Body, at: datetime) -> bool:
    before, after = _time(at - HALF_STEP), _time(at + HALF_STEP)
    moved = _longitude(body, after) - _longitude(body, before)
    return (moved + 180) % 360 - 180 < 0


def _longitude(body: Body, time: astronomy.Time) -> float:
    with _one_at_a_time:
        vector = astronomy.GeoVector(astronomy.Body[body.name.capitalize()], time, aberration=True)
    # The library's angle is in [0, 360], both ends included.
    return float(astronomy.Ecliptic(vector).elon) % 360.0


def _time(at: datetime) -> astronomy.Time:
    utc = at.astimezone(UTC)
    if utc.year not in SUPPORTED_YEARS:
        raise ValueError(f"{utc.year} is not between {SUPPORTED_YEARS[0]} and {SUPPORTED_YEARS[-1]}")
    seconds = utc.second + utc.microsecond / 1_000_000
    return astronomy.Time.Make(utc.year, utc.month, utc.day, utc.hour, utc.minute, seconds)
