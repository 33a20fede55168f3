"""Taking one's data along, and leaving."""

from django import forms
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import signed_in
from accounts.deletion import account_delete, deletion_consequences, deletion_obstacle, personal_data
from accounts.selectors import person_of
from common import clock
from common.api.envelope import to_json
from common.errors import PermissionDenied, ValidationError
from common.ratelimit import ratelimited
from common.request_id import current_request_id


class DeletionForm(forms.Form):
    """Sign in again, in effect, and say yes."""

    password = forms.CharField(
        label=_("Your password"),
        strip=False,
        max_length=4096,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    confirm = forms.BooleanField(label=_("I want my account deleted. I know that there is no way back."))


@require_safe
@signed_in
@ratelimited("global", "user", "password")
def export(request: HttpRequest) -> HttpResponse:
    """The same data as GET /v1/account/export, as a file."""
    response = HttpResponse(to_json(personal_data(person_of(request))), content_type="application/json")
    response["Content-Disposition"] = 'attachment; filename="palier-export.json"'
    response["Cache-Control"] = "no-store"
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@ratelimited("global", "user", "password")
def deletion(request: HttpRequest) -> HttpResponse:
    user = person_of(request)
    form = DeletionForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            done = account_delete(
                user=user,
                password=form.cleaned_data["password"],
                request_id=current_request_id(),
                now=clock.now(),
            )
        except ValidationError:
            form.add_error("password", str(_("This is not your current password.")))
        except PermissionDenied:
            form.add_error(None, _("Nothing was deleted. See above what has to be done first."))
        else:
            logout(request)
            return render(request, "pages/deleted.html", {"done": done.done_at is not None})
    context = {
        "form": form,
        "consequences": deletion_consequences(user),
        "obstacle": deletion_obstacle(user),
    }
    return render(request, "pages/deletion.html", context, status=422 if form.is_bound else 200)
