"""Where a person is signed in, browsers and programs, and signing them out."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.access import signed_in
from accounts.models import User
from accounts.selectors import person_of
from accounts.sign_ins import SignInKind, browser_id, sign_in_end, sign_ins, sign_ins_end
from common import clock
from common.errors import NotFound


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def sign_ins_page(request: HttpRequest) -> HttpResponse:
    """A POST with `id` signs that one out, without it all but the browser it comes from."""
    user = person_of(request)
    here = browser_id(user=user, session_key=request.session.session_key or "")
    if request.method == "POST":
        return _end(request, user, here)
    found = sign_ins(user)
    context = {
        "sign_ins": found,
        "here_id": here,
        "has_others": any(one.id != here for one in found),
        "has_programs": any(one.kind == SignInKind.API for one in found),
        "now": clock.now(),
    }
    return render(request, "pages/sign_ins.html", context)


def _end(request: HttpRequest, user: User, here: str) -> HttpResponse:
    wanted = request.POST.get("id", "")
    if wanted and wanted == here:
        return HttpResponseRedirect(reverse("account_logout"))  # it asks, and ends the session in full
    if wanted:
        try:
            sign_in_end(user=user, sign_in_id=wanted)
            messages.success(request, _("It is signed out."))
        except NotFound:
            messages.info(request, _("That one was signed out already."))
    else:
        sign_ins_end(user=user, but=here)
        messages.success(request, _("You are signed out everywhere else."))
    return HttpResponseRedirect(reverse("usersessions_list"))
