"""The catalogue's codes in the reader's language."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from billing.models import Feature, Plan, in_language
from common.formats import number_text
from quotas.enums import Window
from quotas.models import Metric

Names = Mapping[str, str]


def metric_names() -> Names:
    return {m.code: in_language(m.name_en, m.name_fr) for m in Metric.objects.order_by("id")}


def feature_names() -> Names:
    return {feature.code: feature.name for feature in Feature.objects.order_by("id")}


def per_window(limit: int | None, window: str) -> str:
    """5 a day; 3 in total; unlimited."""
    if limit is None:
        return _("unlimited")
    texts = {
        Window.HOUR: _("%(limit)s an hour"),
        Window.DAY: _("%(limit)s a day"),
        Window.MONTH: _("%(limit)s a month"),
        Window.PERIOD: _("%(limit)s a billing period"),
        Window.CAPACITY: _("%(limit)s in total"),
    }
    return texts[Window(window)] % {"limit": number_text(limit)}


def window_heading(window: str) -> str:
    """Stands behind a metric's name: Messages, today."""
    texts = {
        Window.HOUR: _("this hour"),
        Window.DAY: _("today"),
        Window.MONTH: _("this month"),
        Window.PERIOD: _("this billing period"),
        Window.CAPACITY: _("in total"),
    }
    return texts[Window(window)]


def limit_line(limit: Mapping[str, Any], names: Names) -> tuple[str, str]:
    """The metric's name and what the plan allows of it."""
    return names.get(limit["metric"], limit["metric"]), per_window(limit["limit"], limit["window"])


def interval_word(interval: str) -> str:
    return _("yearly") if interval == "year" else _("monthly")


def plan_names() -> Names:
    return {plan.code: plan.name for plan in Plan.objects.order_by("rank")}
