"""What error pages need of billing: the refused limit, and the ways on."""

from typing import Any

from django import template

from accounts.models import AccountKind
from accounts.selectors import account_of
from billing.pages.overdue import banner_context
from billing.pages.refusals import refusal_of
from billing.selectors import audience_of, free_price

register = template.Library()


@register.inclusion_tag("components/refusal.html", takes_context=True)
def refusal(context: template.Context, error: Any, level: int = 2) -> dict[str, Any]:
    """The limits and remedies of a quotas error; nothing when it carries no decision."""
    decision = getattr(error, "decision", None)
    found = refusal_of(decision) if decision is not None else None
    return {"refusal": found, "now": context.get("now"), "level": level}


@register.inclusion_tag("components/no_plan.html", takes_context=True)
def no_plan(context: template.Context) -> dict[str, bool]:
    """What to do for an account without a plan, by the kind of account."""
    account = account_of(context["request"])
    return {
        "is_organisation": account.kind == AccountKind.ORGANISATION,
        "has_free": free_price(audience_of(account)) is not None,
    }


@register.inclusion_tag("components/overdue_banner.html", takes_context=True)
def overdue_banner(context: template.Context) -> dict[str, Any]:
    """What is unpaid, and how to cure it; nothing when nothing is."""
    request = context.get("request")
    found = banner_context(request) if request is not None else {}
    return {"csrf_token": context.get("csrf_token"), **found}
