"""What every page knows."""

from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from accounts.access import start_address
from accounts.inbox import InboxItem, news_unread, unread_count
from accounts.models import Account, AccountKind, User
from accounts.preferences import theme_of
from accounts.selectors import CHOSEN_ACCOUNT, account_of, has_account
from billing.demo import PASSWORD as DEMO_PASSWORD
from billing.pages.demo import DemoPerson
from billing.pages.demo import demo_people as demo_persons
from enterprise.pages.demo import demo_organisations

# Which navigation entry a page belongs to, by the name of its address.
SECTIONS = {
    "home": "home",
    "account_overview": "overview",
    "account_usage": "usage",
    "account_usage_thresholds": "usage",
    "plans": "plans",
    "plan_preview": "plans",
    "plan_result": "plans",
    "payment_card": "billing",
    "payment_methods": "billing",
    "card_fields": "billing",
    "account_billing": "billing",
    "billing_details": "billing",
    "tax_id_new": "billing",
    "subscription_cancel": "billing",
    "subscription_withdraw": "billing",
    "withdrawal": "billing",
    "account_credits": "billing",
    "account_credits_cap": "billing",
    "account_invoices": "invoices",
    "account_invoice": "invoices",
    "personas-page": "personas",
    "persona-restore-page": "personas",
    "persona-delete-page": "personas",
    "plan_pay": "plans",
    "chat": "chat",
    "account_login": "login",
    "account_change_password": "password",
    "account_set_password": "password",
    "account_email": "email",
    "account_settings_page": "settings",
    "account_deletion": "settings",
    "notifications": "notifications",
    "usersessions_list": "sessions",
}


def page_context(request: HttpRequest) -> dict[str, Any]:
    """Theme, navigation, sandbox; cheap, and safe on an error page."""
    match = getattr(request, "resolver_match", None)
    name = (match.url_name or "") if match else ""
    with_account = cache(lambda: _has_account(request))
    return {
        "SANDBOX": settings.SANDBOX,
        "DEMO_PASSWORD": DEMO_PASSWORD if settings.SANDBOX else "",
        "demo_people": demo_people if settings.SANDBOX else (),
        "theme": theme_of(request),
        # Asked for by some pages only, and there more than once.
        "unread_notifications": cache(lambda: _unread(request)),
        "news": cache(lambda: _news(request)),
        "has_account": with_account,
        "start_address": lambda: start_address(request),
        "here": section_of(name),
        "acting_for": lambda: _acting_for(request),
        "timezone_name": timezone.get_current_timezone_name(),
        "chat_url": cache(lambda: _address("chat") if with_account() or not _is_signed_in(request) else ""),
        "personas_url": _address("personas-page"),
        "api_docs_url": _address("api-docs"),
        "support_email": settings.SUPPORT_EMAIL,
    }


def demo_people() -> list[DemoPerson]:
    """Whom one can be in the sandbox."""
    return [*demo_persons(), *demo_organisations()]


def section_of(name: str) -> str:
    """The navigation entry of the page whose address has that name."""
    for prefix, section in (("mfa_", "mfa"), ("organisation", "organisation")):
        if name.startswith(prefix):
            return section
    return SECTIONS.get(name, "")


def _acting_for(request: HttpRequest) -> Account | None:
    """The organisation that this browser's person chose instead of their own account; None for everybody else."""
    session, user = getattr(request, "session", None), getattr(request, "user", None)
    if session is None or not isinstance(user, User) or session.get(CHOSEN_ACCOUNT) is None:
        return None
    if getattr(user, "personal_account", None) is None:
        return None
    account = account_of(request)
    return account if account.kind == AccountKind.ORGANISATION else None


def _unread(request: HttpRequest) -> int:
    """How many notifications are not read; asked only by pages that show it."""
    user = getattr(request, "user", None)
    return unread_count(user) if isinstance(user, User) else 0


def _news(request: HttpRequest) -> InboxItem | None:
    """News not read yet; asked only by the pages of an account, which show it once."""
    user = getattr(request, "user", None)
    return news_unread(user) if isinstance(user, User) else None


def _has_account(request: HttpRequest) -> bool:
    """Whether the links to an account's pages lead anywhere for this reader."""
    return hasattr(request, "user") and has_account(request)


def _is_signed_in(request: HttpRequest) -> bool:
    return hasattr(request, "user") and request.user.is_authenticated


def _address(name: str) -> str:
    """Empty when that part is not installed: the sample product can be deleted."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""
