"""A chart drawn: the zodiac as a wheel, the bodies where they stand, and the aspects between them. Pure; SVG out.

Aries begins at the left and degrees run counter-clockwise, as charts are read. Bodies that stand close together are
moved apart, each with a line to its true place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from math import cos, radians, sin
from types import MappingProxyType
from xml.sax.saxutils import escape

from showcase.ephemeris import SIGN_DEGREES, SIGNS, Body, Position, Sign, positions_at
from showcase.weekly import Aspect, aspects_of
from showcase.words import ENGLISH, Words

SIZE = 640
CENTRE = SIZE / 2
OUTER, INNER, PLACES, GLYPHS, ASPECTS = 300, 250, 244, 216, 190
APART = 9.0  # degrees between two glyphs, at least

SIGN_GLYPHS: Mapping[Sign, str] = MappingProxyType(dict(zip(SIGNS, "♈♉♊♋♌♍♎♏♐♑♒♓", strict=True)))
BODY_GLYPHS: Mapping[Body, str] = MappingProxyType(dict(zip(Body, "☉☽☿♀♂♃♄♅♆♇", strict=True)))
INK = "#24292f"
TEXT_FORM = "\ufe0e"  # not the coloured pictures that some fonts have for these
ASPECT_COLOURS: Mapping[Aspect, str] = MappingProxyType(
    {
        Aspect.CONJUNCTION: "#57606a",
        Aspect.SEXTILE: "#1a6fb5",
        Aspect.SQUARE: "#b5301a",
        Aspect.TRINE: "#1a6fb5",
        Aspect.OPPOSITION: "#b5301a",
    }
)

_OPENING = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}" role="img" '
    f'aria-labelledby="title desc" font-family="serif" fill="none" stroke="{INK}">'
)
_WRITTEN = f'text-anchor="middle" fill="{INK}" stroke="none"'


def wheel_svg(at: datetime, *, words: Words = ENGLISH) -> str:
    """The sky at an aware instant, as a whole SVG document without scripts, styles or anything from elsewhere.

    ValueError outside of the ephemeris's years.
    """
    positions = positions_at(at)
    moment = f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    parts = [
        _OPENING,
        f'<title id="title">{escape(moment)}</title>',
        f'<desc id="desc">{escape(told(positions, words))}</desc>',
        f'<rect width="{SIZE}" height="{SIZE}" fill="#ffffff" stroke="none"/>',
        *_rings(),
        *_signs(),
        *_aspects(positions),
        *_bodies(positions),
        f'<text x="{CENTRE:g}" y="{SIZE - 4}" font-size="13" {_WRITTEN}>{escape(moment)}</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def told(positions: Iterable[Position], words: Words = ENGLISH) -> str:
    """The same in words, for those who do not see it."""
    lines = [
        words.position_line.format(
            body=words.bodies[one.body],
            degree=one.degree,
            minute=one.minute,
            in_sign=words.in_sign[one.sign],
            retrograde=words.retrograde if one.retrograde else "",
        )
        for one in positions
    ]
    return " ".join(line[0].upper() + line[1:] for line in lines)


def spread(longitudes: Mapping[Body, float]) -> dict[Body, float]:
    """Where the glyphs go: as near to the bodies' longitudes as leaves APART degrees between any two.

    The circle is cut at its widest gap. What stands closer than APART then becomes groups around their middle.
    """
    order = sorted(longitudes, key=lambda body: longitudes[body])
    gaps = [(longitudes[body] - longitudes[order[number - 1]]) % 360 for number, body in enumerate(order)]
    cut = max(range(len(order)), key=lambda number: gaps[number])
    order = order[cut:] + order[:cut]
    start = longitudes[order[0]]
    groups: list[
        list[float]
    ] = []  # of each: where its first would stand without APART, averaged, and how many
    for number, body in enumerate(order):
        groups.append([(longitudes[body] - start) % 360 - number * APART, 1])
        while len(groups) > 1 and groups[-2][0] > groups[-1][0]:
            (one, many), (other, more) = groups[-2:]
            groups[-2:] = [[(one * many + other * more) / (many + more), many + more]]
    firsts = [first for first, many in groups for _ in range(int(many))]
    return {
        body: (start + first + number * APART) % 360
        for number, (body, first) in enumerate(zip(order, firsts, strict=True))
    }


def _point(longitude: float, radius: float) -> tuple[float, float]:
    angle = radians(180 + longitude)
    return CENTRE + radius * cos(angle), CENTRE - radius * sin(angle)


def _line(start: tuple[float, float], end: tuple[float, float], **attributes: str) -> str:
    more = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<line x1="{start[0]:.2f}" y1="{start[1]:.2f}" x2="{end[0]:.2f}" y2="{end[1]:.2f}"{more}/>'


def _glyph(text: str, place: tuple[float, float], size: int, label: str) -> str:
    return (
        f'<text x="{place[0]:.2f}" y="{place[1]:.2f}" font-size="{size}" text-anchor="middle" '
        f'dominant-baseline="central" fill="{INK}" stroke="none" aria-label="{escape(label)}">{text}{TEXT_FORM}</text>'
    )


def _rings() -> Iterator[str]:
    for radius in (OUTER, INNER, ASPECTS):
        yield f'<circle cx="{CENTRE:g}" cy="{CENTRE:g}" r="{radius}"/>'


def _signs() -> Iterator[str]:
    for number, sign in enumerate(SIGNS):
        start = number * SIGN_DEGREES
        yield _line(_point(start, INNER), _point(start, OUTER))
        middle = _point(start + SIGN_DEGREES / 2, (INNER + OUTER) / 2)
        yield _glyph(SIGN_GLYPHS[sign], middle, 28, sign.value.capitalize())


def _aspects(positions: tuple[Position, ...]) -> Iterator[str]:
    longitudes = {one.body: one.longitude for one in positions}
    for found in aspects_of(positions):
        if found.aspect is not Aspect.CONJUNCTION:
            ends = [_point(longitudes[body], ASPECTS) for body in (found.body, found.other)]
            yield _line(ends[0], ends[1], stroke=ASPECT_COLOURS[found.aspect], stroke_width="1")


def _bodies(positions: tuple[Position, ...]) -> Iterator[str]:
    places = spread({one.body: one.longitude for one in positions})
    for one in positions:
        glyph = _point(places[one.body], GLYPHS)
        yield _line(_point(one.longitude, INNER), _point(one.longitude, PLACES))
        yield _line(_point(one.longitude, PLACES), _point(places[one.body], GLYPHS + 14), stroke="#8b949e")
        label = f"{one.body.value.capitalize()} {one.degree}°{one.minute:02}′ {one.sign.value.capitalize()}"
        yield _glyph(BODY_GLYPHS[one.body], glyph, 22, label)
        if one.retrograde:
            mark = _point(places[one.body], GLYPHS - 17)
            yield f'<text x="{mark[0]:.2f}" y="{mark[1]:.2f}" font-size="9" {_WRITTEN}>℞</text>'
