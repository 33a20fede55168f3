"""The front page: what Palier is, and what it costs."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from billing.enums import Audience
from billing.pages.offers import Offer, chosen_interval, offers

STEPS_IN_THE_PICTURE = 3


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    interval = chosen_interval(request)
    plans = offers(interval)
    consumer = [plan for plan in plans if plan.audience == Audience.CONSUMER]
    context = {
        "interval": interval,
        "consumer_plans": consumer,
        "business_plans": [plan for plan in plans if plan.audience == Audience.BUSINESS],
        "hero_steps": _steps(consumer),
        "no_plans_title": _("No plan is on offer yet"),
        "no_plans_text": _("Whoever runs this site has to load the catalogue: manage.py sync_catalog."),
    }
    return render(request, "pages/home.html", context)


def _steps(plans: list[Offer]) -> list[dict[str, str]]:
    """The names written on the stairs of the picture, with the first limit of each."""
    return [
        {"name": plan.name, "hint": plan.limit_lines[0][1] if plan.limit_lines else ""}
        for plan in plans[:STEPS_IN_THE_PICTURE]
    ]
