"""The parts of a chart that there are hundreds of, written out in Python.

A page with 400 bars of six parts has ten thousand places to fill in: as a template's loops they take ten times as long.
"""

from html import escape

from django import template
from django.utils.safestring import SafeString, mark_safe

from common.charts import Chart, Point

register = template.Library()


@register.simple_tag
def chart_points(chart: Chart) -> SafeString:
    """One <g> for each point: its slot, its bar, and the words that come up when it is looked at."""
    return mark_safe("".join(_point(point) for point in chart.points))  # noqa: S308 - texts are escaped


@register.simple_tag
def chart_rows(chart: Chart) -> SafeString:
    """The lines of the table behind the chart."""
    lines = []
    for row in chart.rows:
        cells = "".join(f'<td class="r">{escape(cell)}</td>' for cell in row.cells)
        lines.append(f'<tr><th scope="row">{escape(row.label)}</th>{cells}</tr>')
    return mark_safe("".join(lines))  # noqa: S308 - texts are escaped


def _point(point: Point) -> str:
    names = f"point{' gap' if point.is_gap else ''}{' stop' if point.is_stop else ''}"
    bars = "".join(
        f'<rect class="bar {one.style}" x="{point.x}" width="{point.width}" y="{one.y}" height="{one.height}"/>'
        for one in point.segments
    )
    parts = f'<tspan class="parts" x="100%" dy="-1.4em">{escape(point.parts)}</tspan>' if point.parts else ""
    return (
        f'<g class="{names}" role="img" aria-label="{escape(point.label)}" tabindex="{0 if point.is_stop else -1}">'
        f'<rect class="slot" x="{point.slot_x}" width="{point.slot_width}" y="0" height="100%"/>{bars}'
        f'<text class="tip" x="100%" y="-12" text-anchor="end">{escape(point.tip)}{parts}</text></g>'
    )
