"""The wheel: a document that is whole, says what the ephemeris says, and holds nothing that acts."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from showcase.ephemeris import Body, positions_at
from showcase.wheel import APART, SIGN_GLYPHS, spread, wheel_svg

SVG = "{http://www.w3.org/2000/svg}"
AT = datetime(1990, 5, 2, 12, tzinfo=UTC)


@pytest.mark.req("EN-7")
def test_it_shows_every_sign_and_body_where_the_ephemeris_has_it():
    root = ET.fromstring(wheel_svg(AT))
    labels = [text.get("aria-label") for text in root.iter(f"{SVG}text") if text.get("aria-label")]
    assert len(labels) == len(SIGN_GLYPHS) + len(Body)
    for one in positions_at(AT):
        place = f"{one.degree}°{one.minute:02}′ {one.sign.value.capitalize()}"
        assert f"{one.body.value.capitalize()} {place}" in labels
    description = root.find(f"{SVG}desc").text
    assert "The Sun stands at 11°49′ in Taurus." in description
    assert description.count("retrograde") == sum(one.retrograde for one in positions_at(AT)) > 0


def test_it_holds_nothing_that_acts_or_comes_from_elsewhere():
    text = wheel_svg(AT)
    tags = {element.tag.removeprefix(SVG) for element in ET.fromstring(text).iter()}
    assert tags == {"svg", "title", "desc", "rect", "circle", "line", "text"}
    assert "href" not in text
    assert "style" not in text


def test_the_same_moment_is_the_same_drawing():
    assert wheel_svg(AT) == wheel_svg(AT)
    assert wheel_svg(AT) != wheel_svg(AT.replace(day=3))


@pytest.mark.parametrize(
    "longitudes",
    [
        {Body.SUN: 10.0, Body.MOON: 10.0},
        {Body.SUN: 359.0, Body.MOON: 1.0, Body.MARS: 0.5},
        dict.fromkeys(Body, 100.0),
        {body: 40.0 * number for number, body in enumerate(Body, 1) if number < 9},
    ],
    ids=["on one another", "around Aries", "all together", "far apart"],
)
def test_glyphs_do_not_cover_each_other(longitudes):
    places = sorted(spread(longitudes).values())
    gaps = [other - one for one, other in pairwise([*places, places[0] + 360])]
    assert min(gaps) > APART - 0.5


def test_outside_of_the_ephemeris():
    with pytest.raises(ValueError, match="between"):
        wheel_svg(datetime(1066, 10, 14, tzinfo=UTC))
