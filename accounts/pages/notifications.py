"""The inbox, and turning mails off from a mail."""

from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import signed_in
from accounts.enums import Channel
from accounts.inbox import inbox, inbox_item
from accounts.notifications import notification_read, notifications_read_all
from accounts.notifications.services import unsubscribe, unsubscribe_kind
from accounts.pages.preferences import own_address
from accounts.rules import chosen_way
from accounts.selectors import person_of
from common import clock
from common.errors import NotFound
from common.pages import render_error

PER_PAGE = 20


@require_safe
@signed_in
def notifications(request: HttpRequest) -> HttpResponse:
    """Newest first; those not read yet stand out."""
    page = Paginator(inbox(person_of(request)), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "items": [inbox_item(one) for one in page.object_list],
        "page": page,
        "unread": inbox(person_of(request)).filter(read_at=None).exists(),
        "crumbs": [(None, None)],
        "now": clock.now(),
    }
    return render(request, "pages/notifications.html", context)


@require_POST
@signed_in
def notification_open(request: HttpRequest, notification_id: UUID) -> HttpResponse:
    """Marks it as read and goes where it says, or back to the page that asks for that."""
    try:
        one = notification_read(user=person_of(request), notification_id=notification_id, now=clock.now())
    except NotFound as error:
        return render_error(request, error)
    if target := own_address(request, request.POST.get("next", "")):
        return HttpResponseRedirect(target)
    action = inbox_item(one).message.action
    return HttpResponseRedirect(action.path if action else reverse("notifications"))


@require_POST
@signed_in
def notifications_read(request: HttpRequest) -> HttpResponse:
    """Marks all as read."""
    notifications_read_all(user=person_of(request), now=clock.now())
    return HttpResponseRedirect(reverse("notifications"))


@never_cache
@csrf_exempt  # a mail program sends the one-click request; the signed address is what allows it
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribed(request: HttpRequest, token: str) -> HttpResponse:
    """Asks, and on the answer turns this kind of mail off. Looking alone changes nothing: mail scanners look.

    Who comes again finds it done, not asked anew.
    """
    try:
        user, kind = unsubscribe(token=token) if request.method == "POST" else unsubscribe_kind(token)
    except NotFound:
        return render(request, "pages/unsubscribe.html", {"is_unknown": True}, status=404)
    is_off = request.method == "POST" or not chosen_way(user.notifications, kind, Channel.EMAIL)
    context = {"kind": kind.label, "done": is_off, "email": user.email}
    return render(request, "pages/unsubscribe.html", context)
