"""The account at a glance: plan, use, what changed."""

from typing import Any

import structlog
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from accounts.models import Account, User
from accounts.selectors import account_of, person_of
from billing.pages.access import is_part, signed_in
from billing.pages.changes import recent_rows
from billing.pages.forms import new_key
from billing.pages.meters import meters_of
from billing.pages.plan_now import plan_now_of, waiting_of
from billing.pages.words import metric_names
from common import clock
from common.errors import ServiceUnavailable
from common.ratelimit import ratelimited
from quotas.selectors import quota_status

logger = structlog.get_logger(__name__)
RECENT = 5


@require_safe
@signed_in
def overview(request: HttpRequest) -> HttpResponse:
    account = account_of(request)
    context = {
        "plan_now": plan_now_of(account, with_charge=True),
        "waiting": waiting_of(account),
        "changes": recent_rows(account.pk, limit=RECENT),
        "form_key": new_key(),
        **quotas_context(account, reader=person_of(request)),
    }
    return render(request, "pages/overview.html", context)


@require_safe
@signed_in
@ratelimited("global", "user")
def quotas(request: HttpRequest) -> HttpResponse:
    """The quotas alone, which the overview asks for again while it is looked at; for who opens it, the overview."""
    if not is_part(request):
        return redirect("account_overview")
    context = quotas_context(account_of(request), reader=person_of(request))
    response = render(request, "components/quotas.html", context)
    response["Cache-Control"] = "no-store"
    return response


def quotas_context(account: Account, *, reader: User, metric: str | None = None) -> dict[str, Any]:
    """What the quotas' template needs. That they cannot be read does not take the rest of the page with it."""
    now = clock.now()
    try:
        bounds = quota_status(account_id=account.pk, metric=metric)
    except (DatabaseError, ServiceUnavailable):
        logger.exception("quotas_unreadable", account_id=account.pk)
        return {"meters": [], "bounds": [], "meters_error": True, "now": now}
    meters = meters_of(bounds, metric_names(), now=now, alerts=reader.usage_thresholds)
    return {"meters": meters, "bounds": bounds, "now": now}
