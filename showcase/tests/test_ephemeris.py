"""The ephemeris against published values: almanacs' equinoxes, lunations and stations, Meeus' worked examples."""

import importlib
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from showcase.ephemeris import (
    Body,
    Lunation,
    PhaseName,
    Sign,
    longitude_of,
    moon_phase_at,
    next_lunation,
    position_of,
    positions_at,
)

J2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)
ONE_MINUTE_OF_ARC = 1 / 60


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "longitude"),
    [
        (Body.SUN, 280.369),
        (Body.MOON, 223.324),
        (Body.MERCURY, 271.889),
        (Body.VENUS, 241.566),
        (Body.MARS, 327.963),
        (Body.JUPITER, 25.253),
        (Body.SATURN, 40.396),
        (Body.URANUS, 314.809),
        (Body.NEPTUNE, 303.193),
        (Body.PLUTO, 251.455),
    ],
)
def test_longitudes_at_noon_of_1_january_2000(body, longitude):
    assert longitude_of(body, J2000) == pytest.approx(longitude, abs=ONE_MINUTE_OF_ARC)


@pytest.mark.parametrize(
    ("body", "instant", "longitude"),
    [
        # Meeus, Astronomical Algorithms: examples 25.b and 47.a give dynamical time, then 59 s ahead of UT.
        (Body.SUN, at("1992-10-12 23:59:01"), 199.9061),
        (Body.MOON, at("1992-04-11 23:59:01"), 133.1673),
    ],
)
def test_meeus_worked_examples(body, instant, longitude):
    assert longitude_of(body, instant) == pytest.approx(longitude, abs=ONE_MINUTE_OF_ARC)


@pytest.mark.parametrize(
    ("instant", "longitude"),
    [
        (at("2024-03-20 03:06"), 0),
        (at("2024-06-20 20:51"), 90),
        (at("2024-09-22 12:44"), 180),
        (at("2024-12-21 09:21"), 270),
    ],
    ids=["March equinox", "June solstice", "September equinox", "December solstice"],
)
def test_the_sun_opens_the_seasons_of_2024(instant, longitude):
    off = (longitude_of(Body.SUN, instant) - longitude + 180) % 360 - 180
    assert off == pytest.approx(0, abs=0.001)


def test_degrees_and_minutes_count_from_the_start_of_the_sign():
    saturn = position_of(Body.SATURN, J2000)
    assert (saturn.sign, saturn.degree, saturn.minute) == (Sign.TAURUS, 10, 23)


@pytest.mark.parametrize(
    ("day", "retrograde"),
    [("2024-03-31", False), ("2024-04-03", True), ("2024-04-24", True), ("2024-04-27", False)],
)
def test_mercury_runs_backward_from_1_to_25_april_2024(day, retrograde):
    assert position_of(Body.MERCURY, at(day)).retrograde is retrograde


def test_sun_and_moon_never_run_backward():
    instants = [J2000 + timedelta(days=17 * n) for n in range(40)]
    assert not any(position_of(body, t).retrograde for t in instants for body in (Body.SUN, Body.MOON))


@pytest.mark.parametrize(
    ("event", "after", "expected"),
    [
        (Lunation.FULL, "2024-01-12", "2024-01-25 17:54"),
        (Lunation.NEW, "2024-04-01", "2024-04-08 18:21"),
        (Lunation.FULL, "2025-03-01", "2025-03-14 06:55"),
    ],
)
def test_full_and_new_moons_of_the_almanac(event, after, expected):
    assert abs(next_lunation(event, at(after)) - at(expected)) <= timedelta(minutes=1)


@pytest.mark.parametrize(
    ("instant", "name", "lit_percent"),
    [
        ("2024-04-08 18:21", PhaseName.NEW, 0),
        ("2024-04-15 19:13", PhaseName.FIRST_QUARTER, 50),
        ("2024-04-23 23:49", PhaseName.FULL, 100),
        ("2024-05-01 11:27", PhaseName.LAST_QUARTER, 50),
        ("2024-04-11 12:00", PhaseName.WAXING_CRESCENT, 11),
    ],
)
def test_the_phases_of_april_2024(instant, name, lit_percent):
    phase = moon_phase_at(at(instant))
    assert phase.name is name
    assert phase.lit_percent == pytest.approx(lit_percent, abs=2)


def test_every_position_is_in_its_sign():
    for position in positions_at(at("2026-11-21 01:04")):
        assert position.sign is tuple(Sign)[int(position.longitude // 30)]
        assert position.degree == int(position.longitude % 30)
        assert 0 <= position.minute < 60


def test_the_offset_of_an_instant_makes_no_difference():
    paris = datetime.fromisoformat("2026-07-01T14:00:00+02:00")
    assert positions_at(paris) == positions_at(at("2026-07-01 12:00"))


@pytest.mark.parametrize("year", [1599, 2400])
def test_years_outside_are_refused(year):
    with pytest.raises(ValueError, match="not between"):
        position_of(Body.SUN, datetime(year, 6, 1, tzinfo=UTC))


def test_many_threads_ask_for_an_orbit_nobody_has_asked_for_yet(monkeypatch):
    """The library's cache of Pluto's orbit shows a piece before it is whole; whoever looked then got IndexError."""
    library = importlib.import_module("astronomy.astronomy")
    monkeypatch.setattr(library, "_pluto_cache", [None] * len(library._pluto_cache))
    callers = 8
    barrier = threading.Barrier(callers)

    def ask(_caller: int) -> float:
        barrier.wait()
        return longitude_of(Body.PLUTO, datetime(2026, 11, 21, tzinfo=UTC))

    with ThreadPoolExecutor(callers) as pool:
        assert len(set(pool.map(ask, range(callers)))) == 1
