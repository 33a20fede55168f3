"""Charts of whole numbers over time, worked out here and drawn by templates/components/chart.html.

    chart_of(key="use", title=_("Messages by day"), unit=_("Messages"),
             places=[Place("3 November 2026", "3 Nov"), …], series=[Series(_("Messages"), [12, 0, None])])

Pure: figures and the active language in, positions and texts out. Positions are percentages of the plot, so that a
chart is as wide as its page and its letters keep their size. `None` is a figure that is not known; it is drawn as a
gap and said to be one, never as zero.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from common.formats import compact_text, number_text, number_texts

FULL = 100
MOST_SERIES = 6
"""As many as can be told apart by colour; the style sheet has `s1` to `s6`."""
INTERVALS = 4
"""About as many steps has the vertical axis."""
BAR_SHARE = 0.72
WIDEST_BAR = 12.0
MOST_LABELS = 7
NICE = (1, 2, 5, 10)
DAY_STEPS = (1, 2, 3, 5, 7, 10, 14, 21, 30, 60, 90, 180, 365)
HOUR_STEPS = (1, 2, 3, 6, 12, 24, 48, 72, 96, 168)
MONTH_STEPS = (1, 2, 3, 6, 12, 24, 60, 120)
REFERENCE_REACH = 3
"""A limit further away than so many times the highest bar would press the bars flat, and is left out."""
EDGE = 6.0
"""A label whose middle is nearer to an end than this (per cent) is set from there, so that none sticks out."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a figure stands on the horizontal axis: in full, in short for the axis, and a remark (“so far”)."""

    label: str
    short: str
    note: str = ""

    @property
    def full(self) -> str:
        return f"{self.label} ({self.note})" if self.note else self.label


@dataclass(frozen=True, slots=True)
class Series:
    """One figure for each place; None where it is not known."""

    name: str
    values: Sequence[int | None]

    @property
    def total(self) -> int:
        return sum(value or 0 for value in self.values)


@dataclass(frozen=True, slots=True)
class Reference:
    """A horizontal line to compare with, a limit for instance."""

    name: str
    value: int


@dataclass(frozen=True, slots=True)
class Tick:
    """A label of an axis. `anchor`: start, middle or end of the text stands at `at`. `minor`: not on a phone."""

    at: str
    text: str
    anchor: str = "middle"
    minor: bool = False


@dataclass(frozen=True, slots=True)
class Segment:
    """One series' part of a bar; `style` is its class."""

    style: str
    y: str
    height: str


@dataclass(frozen=True, slots=True)
class Point:
    """One place with its bar. `label` says all of it in words, `parts` the series one by one where there are several.

    `is_stop`: where the Tab key comes to, and whose words stand there first: the last one whose figure is known.
    """

    x: str
    width: str
    slot_x: str
    slot_width: str
    segments: Sequence[Segment]
    label: str
    tip: str
    parts: str
    is_gap: bool
    is_stop: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table behind the chart."""

    label: str
    cells: Sequence[str]


@dataclass(frozen=True, slots=True)
class Chart:
    """All that the template draws. `key` is unique on the page."""

    key: str
    title: str
    unit: str
    points: Sequence[Point]
    y_ticks: Sequence[Tick]
    x_ticks: Sequence[Tick]
    legend: Sequence[tuple[str, str]]
    reference_y: str
    columns: Sequence[str]
    rows: Sequence[Row]
    is_empty: bool

    @property
    def is_stacked(self) -> bool:
        return any(point.parts for point in self.points)


def chart_of(
    *,
    key: str,
    title: str,
    unit: str,
    places: Sequence[Place],
    series: Sequence[Series],
    reference: Reference | None = None,
    label_steps: Sequence[int] = DAY_STEPS,
) -> Chart:
    """A chart of bars, the series one on the other. ValueError for what cannot be drawn so."""
    _refuse_undrawable(places, series)
    totals = [_sum(values) for values in zip(*(one.values for one in series), strict=True)]
    texts, sums = [_figures(one.values) for one in series], _figures(totals)
    highest = max((total for total in totals if total is not None), default=0)
    shown = reference if reference and reference.value <= highest * REFERENCE_REACH else None
    ticks = nice_ticks(max(highest, shown.value if shown else 0))
    known = [index for index, total in enumerate(totals) if total is not None]
    legend = [(f"s{number}", one.name) for number, one in enumerate(series, 1)] if len(series) > 1 else []
    slot = FULL / max(len(places), 1)
    return Chart(
        key=key,
        title=title,
        unit=unit,
        points=_points(
            places, series, texts, totals, sums, top=ticks[-1], stop=known[-1] if known else len(places) - 1
        ),
        y_ticks=[Tick(_at(FULL - _share(tick, ticks[-1])), compact_text(tick), "end") for tick in ticks],
        x_ticks=_x_ticks(places, slot, label_steps),
        legend=[*legend, ("reference", _with_figure(shown))] if shown else legend,
        reference_y=_at(FULL - _share(shown.value, ticks[-1])) if shown else "",
        columns=[*(one.name for one in series), *([_("Together")] if len(series) > 1 else [])],
        rows=_rows(places, [*texts, sums] if len(series) > 1 else texts),
        is_empty=highest == 0,
    )


def nice_ticks(highest: int) -> list[int]:
    """0 and equal round steps up to the first that is not below `highest`. Never less than 0 and 1."""
    at_least = max(-(-highest // INTERVALS), 1)
    power = 10 ** (len(str(at_least)) - 1)
    step = next(power * nice for nice in NICE if power * nice >= at_least)
    count = max(-(-highest // step), 1)
    return [step * number for number in range(count + 1)]


def labelled(count: int, steps: Sequence[int]) -> range:
    """Which of `count` places the horizontal axis names: about seven, at round distances. Others need no `short`."""
    fewest = -(-count // MOST_LABELS)
    step = next((one for one in steps if one >= fewest), fewest)
    return range(0, count, max(step, 1))


def largest(series: Sequence[Series], *, others: str, most: int = MOST_SERIES) -> list[Series]:
    """At most `most` series: where there are more, the smaller ones become one, named `others`, at the end."""
    if len(series) <= most:
        return list(series)
    by_size = sorted(range(len(series)), key=lambda index: -series[index].total)
    kept = set(by_size[: most - 1])
    rest = [one for index, one in enumerate(series) if index not in kept]
    summed = [_sum(values) for values in zip(*(one.values for one in rest), strict=True)]
    return [*(one for index, one in enumerate(series) if index in kept), Series(others, summed)]


def _refuse_undrawable(places: Sequence[Place], series: Sequence[Series]) -> None:
    if not series or len(series) > MOST_SERIES:
        raise ValueError(f"1 to {MOST_SERIES} series can be drawn, not {len(series)}")
    if any(len(one.values) != len(places) for one in series):
        raise ValueError("each series needs one figure for each place")
    if any(value is not None and value < 0 for one in series for value in one.values):
        raise ValueError("bars stand on zero: no figure may be negative")


def _sum(values: Sequence[int | None]) -> int | None:
    """None only when nothing of it is known."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _figures(values: Sequence[int | None]) -> list[str]:
    """As they stand in the table and behind the series' names."""
    texts = number_texts(value or 0 for value in values)
    return ["–" if value is None else text for value, text in zip(values, texts, strict=True)]


def _points(
    places: Sequence[Place],
    series: Sequence[Series],
    texts: Sequence[Sequence[str]],
    totals: Sequence[int | None],
    sums: Sequence[str],
    *,
    top: int,
    stop: int,
) -> list[Point]:
    """There may be hundreds of six parts each: what they have in common is worked out and translated once."""
    slot = FULL / max(len(places), 1)
    width = min(slot * BAR_SHARE, WIDEST_BAR)
    width_text, slot_text = _at(width), _at(slot)
    said, unknown = _("%(place)s: %(figure)s"), _("no figure")
    points = []
    for index, (place, total) in enumerate(zip(places, totals, strict=True)):
        tip = said % {"place": place.full, "figure": unknown if total is None else sums[index]}
        parts = _parts(series, texts, index) if len(series) > 1 else ""
        points.append(
            Point(
                x=_at(index * slot + (slot - width) / 2),
                width=width_text,
                slot_x=_at(index * slot),
                slot_width=slot_text,
                segments=_segments(series, index, top),
                label=f"{tip} ({parts})" if parts else tip,
                tip=tip,
                parts=parts,
                is_gap=total is None,
                is_stop=index == stop,
            )
        )
    return points


def _segments(series: Sequence[Series], index: int, top: int) -> list[Segment]:
    """From the ground upwards; what is nothing has no segment."""
    segments, below = [], 0
    for number, one in enumerate(series, 1):
        value = one.values[index] or 0
        if value:
            below += value
            y, height = FULL - _share(below, top), _share(value, top)
            segments.append(Segment(f"s{number}", _at(y), _at(height)))
    return segments


def _parts(series: Sequence[Series], texts: Sequence[Sequence[str]], index: int) -> str:
    named = [
        f"{one.name} {text[index]}" for one, text in zip(series, texts, strict=True) if one.values[index]
    ]
    return ", ".join(named)


def _rows(places: Sequence[Place], columns: Sequence[Sequence[str]]) -> list[Row]:
    return [Row(place.full, [column[index] for column in columns]) for index, place in enumerate(places)]


def _x_ticks(places: Sequence[Place], slot: float, steps: Sequence[int]) -> list[Tick]:
    """About seven labels at round distances, every other one of them minor."""
    ticks = []
    for number, index in enumerate(labelled(len(places), steps)):
        middle = (index + 0.5) * slot
        anchor = "start" if middle < EDGE else "end" if middle > FULL - EDGE else "middle"
        at = {"start": index * slot, "middle": middle, "end": (index + 1) * slot}[anchor]
        ticks.append(Tick(_at(at), places[index].short, anchor, minor=number % 2 == 1))
    return ticks


def _with_figure(reference: Reference) -> str:
    return _("%(place)s: %(figure)s") % {"place": reference.name, "figure": number_text(reference.value)}


def _share(value: int, top: int) -> float:
    return value / top * FULL


def _at(percent: float) -> str:
    """A percentage as SVG reads it, in whatever language the page is."""
    return f"{percent:.3f}".rstrip("0").rstrip(".") + "%"
