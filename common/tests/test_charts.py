"""What a chart says and where it puts it. ~ stands for a non-breaking space."""

import itertools
import re

import pytest
from django.template.loader import render_to_string
from django.utils import translation

from common.charts import (
    HOUR_STEPS,
    MOST_SERIES,
    Chart,
    Place,
    Reference,
    Series,
    chart_of,
    largest,
    nice_ticks,
)
from common.formats import compact_text

pytestmark = pytest.mark.req("AC-4", "AC-6")


def chart(*values: int | None, **more) -> Chart:
    places = [Place(f"{n} May 2026", f"{n} May") for n in range(1, len(values) + 1)]
    given = {"key": "k", "title": "Calls by day", "unit": "Calls", "places": places}
    return chart_of(**{**given, "series": [Series("Calls", values)], **more})


@pytest.mark.parametrize(
    ("highest", "ticks"),
    [
        (0, [0, 1]),
        (1, [0, 1]),
        (2, [0, 1, 2]),
        (4, [0, 1, 2, 3, 4]),
        (7, [0, 2, 4, 6, 8]),
        (9, [0, 5, 10]),
        (100, [0, 50, 100]),
        (101, [0, 50, 100, 150]),
        (999_999, [0, 500_000, 1_000_000]),
    ],
)
def test_the_axis_has_few_round_steps_and_reaches_the_highest(highest, ticks):
    assert nice_ticks(highest) == ticks


def test_no_bar_is_higher_than_the_axis_and_none_is_lost_at_its_foot():
    for highest in [*range(2000), 10**9 + 1, 2**63 - 1, 10**30 + 7]:
        ticks = nice_ticks(highest)
        assert ticks[0] == 0
        assert ticks[-1] >= highest
        assert 2 <= len(ticks) <= 6
        assert len({b - a for a, b in itertools.pairwise(ticks)}) == 1
        assert highest < 2 or ticks[-1] <= highest * 2


@pytest.mark.parametrize(
    ("value", "english", "french"),
    [
        (0, "0", "0"),
        (999, "999", "999"),
        (1000, "1k", "1~k"),
        (1500, "1.5k", "1,5~k"),
        (250_000, "250k", "250~k"),
        (2_000_000, "2M", "2~M"),
        (5 * 10**9, "5B", "5~Md"),
        (2 * 10**12, "2T", "2~Bn"),
        (2 * 10**15, "2,000T", "2~000~Bn"),
    ],
)
def test_labels_of_the_axis_are_short(value, english, french):
    for language, text in (("en", english), ("fr", french)):
        with translation.override(language):
            shown = compact_text(value).replace("\u00a0", "~").replace("\u202f", "~")
            assert shown == text


def test_bars_stand_on_the_ground_and_measure_their_figures():
    one = chart(1, 4, 0)
    assert [point.segments[0].height if point.segments else "none" for point in one.points] == [
        "25%",
        "100%",
        "none",
    ]
    assert [point.segments[0].y for point in one.points if point.segments] == ["75%", "0%"]
    assert [tick.text for tick in one.y_ticks] == ["0", "1", "2", "3", "4"]
    assert [tick.at for tick in one.y_ticks] == ["100%", "75%", "50%", "25%", "0%"]
    assert not one.is_empty


def test_series_stand_one_on_the_other_and_are_named_in_the_point_the_legend_and_the_table():
    one = chart(1, 2, series=[Series("Red", [1, None]), Series("Blue", [3, 2])])
    first, second = one.points
    assert [(part.style, part.y, part.height) for part in first.segments] == [
        ("s1", "75%", "25%"),
        ("s2", "0%", "75%"),
    ]
    assert first.label == "1 May 2026: 4 (Red 1, Blue 3)"
    assert second.label == "2 May 2026: 2 (Blue 2)"
    assert one.legend == [("s1", "Red"), ("s2", "Blue")]
    assert one.columns == ["Red", "Blue", "Together"]
    assert [row.cells for row in one.rows] == [["1", "3", "4"], ["–", "2", "2"]]


def test_what_is_not_known_is_a_gap_and_not_a_zero():
    one = chart(0, None)
    assert [point.is_gap for point in one.points] == [False, True]
    assert [point.label for point in one.points] == ["1 May 2026: 0", "2 May 2026: no figure"]
    assert [row.cells for row in one.rows] == [["0"], ["–"]]


@pytest.mark.parametrize(
    ("values", "stop"), [((1, 2, 3), 2), ((1, 0, None, None), 1), ((None, None), 1), ((4,), 0)]
)
def test_the_keyboard_comes_to_the_last_that_is_known(values, stop):
    assert [index for index, point in enumerate(chart(*values).points) if point.is_stop] == [stop]


def test_a_note_stands_with_its_place():
    places = [Place("1 May 2026", "1 May", "so far")]
    one = chart(3, places=places)
    assert one.points[0].label == "1 May 2026 (so far): 3"
    assert one.rows[0].label == "1 May 2026 (so far)"


@pytest.mark.parametrize("values", [[], [0], [0, 0, 0], [None], [None, 0]])
def test_nothing_used_is_said(values):
    one = chart(*values)
    assert one.is_empty
    assert "Nothing was used" in render_to_string("components/chart.html", {"chart": one})


def test_one_value_is_a_slim_bar_in_the_middle():
    (point,) = chart(5).points
    assert (point.x, point.width) == ("44%", "12%")


@pytest.mark.parametrize("count", [1, 2, 7, 8, 31, 92, 400])
def test_every_bar_lies_in_its_own_slot_and_all_in_the_plot(count):
    points = chart(*([1] * count)).points
    edges = [
        (float(p.slot_x[:-1]), float(p.x[:-1]), float(p.width[:-1]), float(p.slot_width[:-1])) for p in points
    ]
    for slot, x, width, slot_width in edges:
        assert slot <= x + 0.001
        assert x + width <= slot + slot_width + 0.002
    assert edges[-1][0] + edges[-1][3] <= 100.1


@pytest.mark.parametrize("count", [1, 2, 7, 8, 24, 31, 48, 92, 168, 400, 5000])
def test_few_labels_none_sticking_out(count):
    ticks = chart(*([1] * count), label_steps=HOUR_STEPS).x_ticks
    assert 1 <= len(ticks) <= 7
    assert sum(not tick.minor for tick in ticks) <= 4
    for tick in ticks:
        at = float(tick.at[:-1])
        assert tick.anchor == "start" or at >= 6
        assert tick.anchor == "end" or at <= 94


def test_hours_are_labelled_at_whole_days():
    places = [Place(f"h{n}", f"h{n}") for n in range(168)]
    one = chart(*([1] * 168), places=places, label_steps=HOUR_STEPS)
    assert [tick.text for tick in one.x_ticks] == [f"h{n}" for n in range(0, 168, 24)]


def test_a_limit_near_enough_is_drawn_and_one_far_away_is_left_out():
    near = chart(40, reference=Reference("Limit", 50))
    assert near.reference_y == "16.667%"
    assert near.legend == [("reference", "Limit: 50")]
    far = chart(40, reference=Reference("Limit", 5000))
    assert far.reference_y == ""
    assert far.legend == []


@pytest.mark.parametrize(
    ("places", "series"),
    [
        (1, []),
        (1, [Series("a", [1])] * (MOST_SERIES + 1)),
        (2, [Series("a", [1])]),
        (1, [Series("a", [-1])]),
    ],
)
def test_what_cannot_be_drawn_is_refused(places, series):
    with pytest.raises(ValueError, match=r"series|figure"):
        chart_of(key="k", title="t", unit="u", places=[Place("p", "p")] * places, series=series)


def test_the_smaller_of_many_series_become_one():
    many = [Series(f"key {n}", [n, None if n < 3 else 1]) for n in range(10)]
    few = largest(many, others="Others", most=4)
    assert [one.name for one in few] == ["key 7", "key 8", "key 9", "Others"]
    assert few[-1].values == [sum(range(7)), 4]
    assert sum(one.total for one in few) == sum(one.total for one in many)
    assert largest(many[:4], others="Others", most=4) == many[:4]
    gone = largest([Series(str(n), [n, None]) for n in range(4)], others="Others", most=2)[-1]
    assert gone.values == [3, None], "what is known of none is not known of their sum"


def test_huge_figures_are_drawn_and_written_in_full():
    one = chart(2**63 - 1, 1)
    assert one.points[0].label == "1 May 2026: 9,223,372,036,854,775,807"
    assert one.points[1].segments[0].height == "0%"
    assert one.y_ticks[-1].text == "10,000,000T"


@pytest.mark.parametrize("language", ["en", "fr"])
def test_it_is_drawn_without_script_or_style_and_positions_are_the_same_in_french(language):
    with translation.override(language):
        html = render_to_string("components/chart.html", {"chart": chart(1, 2, 3)})
    assert "style=" not in html
    assert re.findall(r'<rect class="bar s1" x="([^"]+)"', html) == ["10.667%", "44%", "77.333%"]
    assert html.count('tabindex="0"') == 2, "one point and the table"
    assert html.count('role="img"') == 3
    assert html.count("<tr>") == 4


def test_names_are_escaped():
    html = render_to_string(
        "components/chart.html", {"chart": chart(1, title="<b>", series=[Series("<i>", [1])])}
    )
    assert "<b>" not in html
    assert "<i>" not in html
