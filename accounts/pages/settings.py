"""A person's settings on one page: details, language and times, thresholds, what to be told and how."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from accounts.access import signed_in
from accounts.enums import Channel, NotificationKind
from accounts.models import Language, Theme, User
from accounts.pages.thresholds import ThresholdsField
from accounts.preferences import PREFERENCE_FIELDS, remember
from accounts.selectors import person_of
from accounts.settings import settings_json, settings_update
from common.plain_text import plain_line
from common.timezones import timezone_names


class SettingsForm(forms.Form):
    """What `PUT /v1/account/settings` takes, as fields."""

    display_name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=80,
        required=False,
        validators=[plain_line],
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    language = forms.ChoiceField(label=gettext_lazy("Language"), choices=Language.choices)
    timezone = forms.CharField(
        label=gettext_lazy("Time zone"),
        max_length=64,
        widget=forms.TextInput(attrs={"list": "timezones", "autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy("For example Europe/Paris. Times on your pages and in mails are shown in it."),
    )
    theme = forms.ChoiceField(label=gettext_lazy("Theme"), choices=Theme.choices)
    usage_thresholds = ThresholdsField()

    def clean_timezone(self) -> str:
        name: str = self.cleaned_data["timezone"].strip()
        if name not in timezone_names():
            raise forms.ValidationError(_("There is no such time zone. Choose one of the list."))
        return name


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def settings_page(request: HttpRequest) -> HttpResponse:
    user = person_of(request)
    if request.method == "POST":
        form = SettingsForm(request.POST)
        if form.is_valid():
            return _save(request, user, form.cleaned_data)
        return render(
            request, "pages/settings.html", _context(user, form, chosen=_ticked(request)), status=422
        )
    return render(request, "pages/settings.html", _context(user, SettingsForm(initial=_initial(user))))


def _save(request: HttpRequest, user: User, cleaned: dict[str, Any]) -> HttpResponse:
    settings_update(user=user, changes={**cleaned, "notifications": _ticked(request)}, replace=True)
    messages.success(request, _("Your settings are saved."))
    response = HttpResponseRedirect(reverse("account_settings_page"))
    remember(response, {name: cleaned[name] for name in PREFERENCE_FIELDS})
    return response


def _initial(user: User) -> dict[str, Any]:
    return settings_json(user)


def _ticked(request: HttpRequest) -> dict[str, dict[str, bool]]:
    """The whole matrix: a box that is not ticked is not sent."""
    return {
        kind: {way: f"{kind}.{way}" in request.POST for way in Channel.values}
        for kind in NotificationKind.values
    }


def _context(
    user: User, form: SettingsForm, chosen: dict[str, dict[str, bool]] | None = None
) -> dict[str, Any]:
    chosen = chosen or settings_json(user)["notifications"]
    kinds = [
        {
            "label": kind.label,
            "ways": [
                {"name": f"{kind.value}.{way.value}", "label": way.label, "on": chosen[kind.value][way.value]}
                for way in Channel
            ],
        }
        for kind in NotificationKind
    ]
    return {
        "form": form,
        "kinds": kinds,
        "ways": [way.label for way in Channel],
        "timezones": sorted(timezone_names()),
    }
