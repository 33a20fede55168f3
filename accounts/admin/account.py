"""An account's whole story on one page, the search that finds it, and what can be done to it.

Looking up goes by POST: what customers quote (addresses, keys) has no place in addresses and their logs.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import structlog
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.dateparse import parse_datetime

from accounts.admin import boards, story
from accounts.admin.people import account_numbered
from accounts.models import Account
from common import audit, clock
from common.admin.base import ReadOnly
from common.database import answered_within
from common.errors import DomainError
from common.request_id import current_request_id

EVENTS = 60
FOUND = 50
MAX_QUERY = 254
LONGEST_SEARCH_S = 5

log = structlog.get_logger(__name__)


@admin.register(Account)
class AccountAdmin(ReadOnly):
    """The list is a search; an account's page is its story."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<int:account_id>/do/<slug:name>/", view(self.act_view), name="accounts_account_do"),
            path("request/", view(self.request_view), name="accounts_account_request"),
            path("operations/", view(self.operations_view), name="accounts_account_operations"),
        ]
        return [*own, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:  # noqa: ARG002
        """Search by anything a customer may quote. One account found: straight to its page."""
        self._check(request)
        text = request.POST.get("q", "").replace("\0", "").strip()[:MAX_QUERY]
        found, unanswered = found_by(request.user, text) if text else ([], [])
        if len({account.pk for account, _ in found}) == 1:
            return HttpResponseRedirect(_story_address(found[0][0].pk))
        if text and not found and _happened(request, text):
            return self._request_page(request, text)
        context = self._context(request, "Find an account") | {
            "q": text,
            "found": found,
            "unanswered": unanswered,
        }
        return TemplateResponse(request, "admin/support/search.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Everything about one account that this member of staff may see."""
        del form_url, extra_context
        self._check(request)
        account = _account(object_id)
        now = clock.now()
        log.info("support_viewed", account=account.pk, staff=request.user.pk)
        names = story.allowed(request.user, story.sources)
        kind = request.GET.get("kind", "")
        before = _instant(request.GET.get("before", "")) or now
        events, older = events_before(account, [one for one in names if kind in ("", one.name)], before)
        shown = sorted(story.allowed(request.user, story.panels), key=lambda panel: panel.order)
        context = self._context(request, f"Account {account.pk}") | {
            "account": account,
            "shows_person": request.user.has_perm("accounts.view_user"),
            "panels": [(panel, table) for panel in shown if (table := panel.show(account, now)) is not None],
            "acts": [act for act in story.allowed(request.user, story.acts) if act.offered(account)],
            "events": events,
            "kind": kind,
            "kinds": names,
            "older": older,
        }
        return TemplateResponse(request, "admin/support/account.html", context)

    def request_view(self, request: HttpRequest) -> HttpResponse:
        """What is on record of one request, by its id."""
        self._check(request)
        return self._request_page(request, request.GET.get("id", "").replace("\0", "").strip()[:64])

    def operations_view(self, request: HttpRequest) -> HttpResponse:
        """How the installation is doing, as far as this member of staff may see."""
        self._check(request)
        context = self._context(request, "Operations")
        context["boards"] = boards.shown_to(request.user, context["now"])
        return TemplateResponse(request, "admin/support/operations.html", context)

    def _request_page(self, request: HttpRequest, request_id: str) -> HttpResponse:
        context = self._context(request, "What happened in a request") | {
            "asked": request_id,
            "events": _happened(request, request_id) if request_id else [],
        }
        return TemplateResponse(request, "admin/support/request.html", context)

    def act_view(self, request: HttpRequest, account_id: int, name: str) -> HttpResponse:
        """The form of an act, with what it will do; then the act, on record before and after."""
        act = story.acts.get(name)
        if act is None:
            raise Http404
        if not (request.user.has_perm("accounts.view_account") and request.user.has_perm(act.permission)):
            raise PermissionDenied
        account = _account(str(account_id))
        form = act.form(request.POST or None, account=account, initial={"once": uuid4()})
        if request.method == "POST" and form.is_valid():
            try:
                done = act_run(act, account=account, staff=request.user, values=form.cleaned_data)
            except DomainError as error:
                _explain(form, error)
            else:
                messages.success(request, done)
                return HttpResponseRedirect(_story_address(account.pk))
        context = self._context(request, act.label) | {"account": account, "act": act, "form": form}
        return TemplateResponse(
            request, "admin/support/act.html", context, status=422 if form.is_bound else 200
        )

    def _check(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    def _context(self, request: HttpRequest, title: str) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "now": clock.now(),
        }


def act_run(act: story.Act, *, account: Account, staff: Any, values: dict[str, Any]) -> str:
    """Do it. That it was asked for is on record whatever comes of it, and so is a refusal."""
    now = clock.now()
    values = dict(values)
    reason, once = values.pop("reason"), values.pop("once")
    on_record = {"account_id": account.pk, "subject": str(once), "reason": reason, "actor": staff}
    audit.record(
        **on_record,
        action=f"support.{act.name}",
        data={name: str(value) for name, value in values.items()},
        now=now,
    )
    errand = story.Errand(account, staff, reason, once, current_request_id(), now, values)
    try:
        return act.run(errand)
    except DomainError as error:
        audit.record(**on_record, action=f"support.{act.name}_refused", data={"code": error.code}, now=now)
        raise


def found_by(staff: Any, text: str) -> tuple[list[tuple[Account, str]], list[str]]:
    """The accounts that a text leads to, each with what of it was found, as far as this member of staff may look.

    And the kinds of search that did not answer in time: their finding nothing says nothing.
    """
    found: list[story.Found] = []
    unanswered = []
    for finder in story.allowed(staff, story.finders):
        try:
            with answered_within(LONGEST_SEARCH_S):
                found += finder.find(text)
        except OperationalError:
            log.exception("search_unanswered", finder=finder.name)
            unanswered.append(finder.name)
    found = found[:FOUND]
    accounts = Account.objects.in_bulk({one.account_id for one in found})
    return [(accounts[one.account_id], one.by) for one in found if one.account_id in accounts], unanswered


def events_before(
    account: Account, sources: list[story.Source], before: datetime
) -> tuple[list[story.Event], datetime | None]:
    """The newest of all that happened to the account before an instant, newest first; and before which the next ones are.

    What one transaction did has one instant: a page ends where an instant does, so that none of it falls between two.
    """
    happened = [event for source in sources for event in source.before(account, before, EVENTS + 1)]
    happened.sort(key=lambda event: event.at, reverse=True)
    page = happened[:EVENTS]
    if len(happened) <= EVENTS:
        return page, None
    whole = [event for event in page if event.at != happened[EVENTS].at] or page
    return whole, whole[-1].at


def _instant(text: str) -> datetime | None:
    """The instant that a link names; None for what is none."""
    try:
        at = parse_datetime(text)
    except ValueError:
        return None
    return at if at is None or at.tzinfo else at.replace(tzinfo=UTC)


def _happened(request: HttpRequest, request_id: str) -> list[tuple[int | None, story.Event]]:
    """Everything on record of a request, oldest first, each with its account's number."""
    sources = story.allowed(request.user, story.sources)
    happened = [found for one in sources if one.of_request for found in one.of_request(request_id)]
    return sorted(happened, key=lambda found: found[1].at)


def _account(number: str) -> Account:
    account = account_numbered(number)
    if account is None:
        raise Http404
    return account


def _story_address(account_id: int) -> str:
    return reverse("admin:accounts_account_change", args=[account_id])


def _explain(form: story.ReasonForm, error: DomainError) -> None:
    """The refusal at the fields it names, else above the form."""
    for one in error.details.get("fields", []):
        form.add_error(one["field"] if one["field"] in form.fields else None, str(one["message"]))
    if not form.errors:
        form.add_error(None, f"{error.message} ({error.code})")
