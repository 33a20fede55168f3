"""What templates need to write amounts, moments, icons and form fields. The words are in common.formats."""

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.forms import BoundField
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from common import clock, formats

register = template.Library()


def _now(context: template.Context) -> datetime:
    """One instant for the whole page, so that its figures agree."""
    return context.get("now") or clock.now()


@register.filter
def money(value: dict[str, Any] | None, style: str = "") -> str:
    """{{ price|money }} for the API's {"amount_minor", "currency"}; {{ price|money:"short" }} on price tags."""
    if not value:
        return ""
    return formats.money_text(value["amount_minor"], value["currency"], short=style == "short")


@register.simple_tag
def amount(amount_minor: int, currency: str) -> str:
    return formats.money_text(amount_minor, currency)


@register.filter
def number(value: int) -> str:
    return formats.number_text(value)


@register.simple_tag
def percent(part: int, whole: int) -> str:
    return formats.percent_text(part, whole)


@register.filter
def until_day(end: datetime) -> str:
    """The last day before an end that is excluded: midnight of the 6th is “until the 5th”."""
    return formats.date_text(end - timedelta(seconds=1))


@register.filter
def time_of_day(at: datetime) -> str:
    """In the reader's zone, with its name."""
    return f"{formats.time_text(at)} ({timezone.localtime(at).tzname()})"


@register.filter
def day(at: datetime | None) -> str:
    return formats.date_text(at) if at else ""


@register.simple_tag(takes_context=True)
def moment(context: template.Context, at: datetime) -> SafeString:
    """`tomorrow at 01:00` in the reader's time zone, as <time>."""
    text = formats.moment_text(at, now=_now(context))
    return format_html('<time datetime="{}">{}</time>', at.isoformat(), text)


@register.simple_tag(takes_context=True)
def utc(context: template.Context, at: datetime) -> str:
    return formats.utc_text(at, now=_now(context))


@register.simple_tag(takes_context=True)
def ago(context: template.Context, at: datetime) -> str:
    return formats.ago_text(_now(context) - at)


@register.simple_tag(takes_context=True)
def countdown(context: template.Context, at: datetime) -> SafeString:
    """The time left, which palier.js counts on; without JavaScript it stands as it was when the page was made."""
    left: timedelta = at - _now(context)
    return format_html(
        '<time class="countdown" data-countdown="{}" data-day="{}" datetime="PT{}S">{}</time>',
        int(left.total_seconds()),
        formats.pgettext("unit: days", "d"),
        max(int(left.total_seconds()), 0),
        formats.duration_text(left),
    )


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """A drawing from static/icons.svg. It says nothing to a screen reader: a word always stands beside it."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        extra,
        static("icons.svg"),
        name,
    )


@register.inclusion_tag("components/field.html")
def field(bound: BoundField) -> dict[str, Any]:
    """Label, control, help and errors of one form field, tied together for assistive technology."""
    kind = getattr(bound.field.widget, "input_type", "")
    return {"field": bound, "kind": kind, "is_choice": kind == "checkbox"}


BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


@register.filter
def browser_name(user_agent: str) -> str:
    """`Firefox, Linux`: enough to know one's own devices by. What it does not know it shows as it is, cut short."""
    browser = next((name for mark, name in BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in SYSTEMS if mark in user_agent), "")
    return ", ".join(filter(None, (browser, system))) or user_agent[:60]
