"""The personas on a page: those in use, and those that were archived, with why and how they come back."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.validators import ProhibitNullCharactersValidator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import Account
from accounts.selectors import account_of, person_of
from billing.pages.access import signed_in
from billing.pages.forms import key_of, new_key
from billing.pages.overview import quotas_context
from common import clock
from common.ids import uuid_of
from common.ratelimit import ratelimited
from common.request_id import current_request_id
from quotas.errors import MeteringRefused
from showcase.keeping import PERSONAS, persona_create, persona_delete, persona_restore
from showcase.models import MAX_NAME_LENGTH, Persona
from showcase.pages import is_sold
from showcase.selectors import persona_get, personas

MAX_SHOWN = 200
MAX_TRAITS = 500


class PersonaForm(forms.Form):
    """A new persona."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=MAX_NAME_LENGTH,
        validators=[ProhibitNullCharactersValidator()],
    )
    traits = forms.CharField(
        label=gettext_lazy("Traits"),
        max_length=MAX_TRAITS,
        required=False,
        help_text=gettext_lazy("In a few words: curious, patient, born in March."),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@ratelimited("global", "user")
def personas_page(request: HttpRequest) -> HttpResponse:
    """GET lists them; POST makes one."""
    account = account_of(request)
    if request.method != "POST":
        return _show(request, account, PersonaForm())
    form = PersonaForm(request.POST)
    if not form.is_valid():
        return _show(request, account, form, status=422)
    try:
        _make(request, account, form.cleaned_data)
    except MeteringRefused as error:
        return _show(request, account, form, status=error.status, refused=error)
    return redirect("personas-page")


def _make(request: HttpRequest, account: Account, data: dict[str, str]) -> None:
    """The persona's id follows from account and form: pressed twice, also at once, one is made and counted."""
    persona_id = uuid_of(account.pk, key_of(request))
    if Persona.objects.filter(account=account, pk=persona_id).exists():
        return
    persona_create(
        account=account,
        **data,
        persona_id=persona_id,
        request_id=current_request_id(),
        now=clock.now(),
    )
    messages.success(request, _("%(name)s was made.") % {"name": data["name"]})


@require_POST
@signed_in
@ratelimited("global", "user")
def persona_restore_page(request: HttpRequest, persona_id: UUID) -> HttpResponse:
    account = account_of(request)
    try:
        persona, _decision = persona_restore(
            account_id=account.pk, persona_id=persona_id, request_id=current_request_id(), now=clock.now()
        )
    except MeteringRefused as error:
        return _show(request, account, PersonaForm(), status=error.status, refused=error)
    messages.success(request, _("%(name)s is in use again.") % {"name": persona.name})
    return redirect("personas-page")


@require_POST
@signed_in
@ratelimited("global", "user")
def persona_delete_page(request: HttpRequest, persona_id: UUID) -> HttpResponse:
    account = account_of(request)
    persona = persona_get(account_id=account.pk, persona_id=persona_id)
    persona_delete(account_id=account.pk, persona_id=persona_id, now=clock.now())
    messages.success(request, _("%(name)s was deleted.") % {"name": persona.name})
    return redirect("personas-page")


def _show(
    request: HttpRequest,
    account: Account,
    form: PersonaForm,
    *,
    status: int = 200,
    refused: MeteringRefused | None = None,
) -> HttpResponse:
    rows = [(persona, _traits_text(persona)) for persona in personas(account.pk)[:MAX_SHOWN]]
    quotas = quotas_context(account, reader=person_of(request), metric=PERSONAS)
    room = any(meter.remaining is None or meter.remaining > 0 for meter in quotas["meters"])
    context: dict[str, Any] = {
        "form": form,
        "form_key": new_key(),
        "in_use": [row for row in rows if row[0].archived_at is None],
        "archived": [row for row in rows if row[0].archived_at is not None],
        "has_room": room,
        "refused": refused,
        "crumbs": [(_("Personas"), "")],
        "page_url": reverse("personas-page"),
        **quotas,
        "is_sold": is_sold(account, PERSONAS, quotas),
    }
    return render(request, "pages/personas.html", context, status=status)


def _traits_text(persona: Persona) -> str:
    """The traits in one line, whatever they were given as."""
    traits = persona.traits
    if isinstance(traits, str):
        return traits
    if isinstance(traits, list):
        return ", ".join(str(one) for one in traits)
    if isinstance(traits, dict):
        return ", ".join(f"{name}: {value}" for name, value in traits.items())
    return json.dumps(traits)
