"""API keys on pages: made and shown once, rotated with an overlap, revoked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from accounts.enums import Permission
from billing.pages.forms import key_of
from common import clock
from common.errors import ValidationError
from enterprise.enums import CredentialStatus, Scope
from enterprise.errors import KeyMadeAlready
from enterprise.models import Credential
from enterprise.models.credentials import MAX_NAME_LENGTH
from enterprise.pages.access import Place, in_organisation, render_place
from enterprise.rules.scopes import scopes_of
from enterprise.selectors import credential_get, credentials_of
from enterprise.services import credential_create, credential_revoke, credential_rotate
from enterprise.services.credentials import MadeCredential

LIFETIMES: Mapping[str, tuple[timedelta | None, Any]] = {
    "none": (None, gettext_lazy("no end")),
    "30": (timedelta(days=30), gettext_lazy("30 days")),
    "90": (timedelta(days=90), gettext_lazy("90 days")),
    "365": (timedelta(days=365), gettext_lazy("1 year")),
}
OVERLAPS: Mapping[str, tuple[int, Any]] = {
    "0": (0, gettext_lazy("at once")),
    "3600": (3_600, gettext_lazy("after 1 hour")),
    "86400": (86_400, gettext_lazy("after 24 hours")),
    "604800": (604_800, gettext_lazy("after 7 days")),
}
USUAL_SCOPES = (Scope.PRODUCT, Scope.USAGE_READ, Scope.USAGE_WRITE)
SOON = timedelta(days=7)
# A call without effect that a key with this scope may make, to see that it works; which the product has is not known here.
TRIES = {
    Scope.USAGE_READ: "/v1/b2b/usage/summary",
    Scope.BILLING_WRITE: "/v1/b2b/subscription",
    Scope.CREDENTIALS_WRITE: "/v1/b2b/credentials",
}


@dataclass(frozen=True)
class KeyRow:
    """A key and how it stands."""

    credential: Credential
    status: CredentialStatus
    scopes: list[Scope]
    ends_soon: bool
    can_rotate: bool

    @property
    def is_active(self) -> bool:
        return self.status == CredentialStatus.ACTIVE


@require_http_methods(["GET", "HEAD", "POST"])
@in_organisation()
def keys(request: HttpRequest, place: Place) -> HttpResponse:
    """GET lists; POST makes one, and its answer is the only one that shows it."""
    if request.method == "POST":
        return _make(request, place)
    return _show(request, place)


def _make(request: HttpRequest, place: Place) -> HttpResponse:
    try:
        made = credential_create(
            account=place.account,
            name=request.POST.get("name", ""),
            scopes=request.POST.getlist("scopes"),
            expires_at=_end_of(request.POST.get("lifetime", "none")),
            actor=place.person,
            form_key=key_of(request),
            now=clock.now(),
        )
    except KeyMadeAlready as error:
        return _told_already(request, error)
    except ValidationError as error:
        problems = {one["field"]: one["message"] for one in error.details["fields"]}
        asked = {
            "name": request.POST.get("name", ""),
            "scopes": request.POST.getlist("scopes"),
            "lifetime": request.POST.get("lifetime", ""),
        }
        return _show(request, place, status=error.status, problems=problems, asked=asked)
    return _shown_once(request, place, made)


def _show(request: HttpRequest, place: Place, *, status: int = 200, **extra: Any) -> HttpResponse:
    now = clock.now()
    ordered = credentials_of(place.account.pk).select_related("created_by", "rotated_from")
    rows = [_row(one, place, now) for one in ordered.order_by("-created_at", "-id")]
    context = {
        "tab": "keys",
        "now": now,
        "active": [row for row in rows if row.is_active],
        "ended": [row for row in rows if not row.is_active],
        "scopes": scopes_of(place.role),
        "lifetimes": [(code, label) for code, (_span, label) in LIFETIMES.items()],
        "asked": {"scopes": [scope.value for scope in USUAL_SCOPES], "lifetime": "none"},
        "name_length": MAX_NAME_LENGTH,
        "crumbs": [(_("Organisation"), reverse("organisation")), (_("Keys"), "")],
        **extra,
    }
    return render_place(request, place, "keys", context, status=status)


def _row(credential: Credential, place: Place, now: datetime) -> KeyRow:
    status = CredentialStatus(credential.status_at(now))
    end = credential.expires_at
    return KeyRow(
        credential=credential,
        status=status,
        scopes=[Scope(scope) for scope in credential.scopes],
        ends_soon=status == CredentialStatus.ACTIVE and end is not None and end - now < SOON,
        can_rotate=status == CredentialStatus.ACTIVE
        and set(credential.scopes) <= {scope.value for scope in scopes_of(place.role)},
    )


@require_http_methods(["GET", "HEAD", "POST"])
@in_organisation(Permission.KEYS)
def key_rotate(request: HttpRequest, place: Place, credential_id: UUID) -> HttpResponse:
    """GET asks until when the old key goes on; POST makes its successor and shows that once."""
    credential = credential_get(account_id=place.account.pk, credential_id=credential_id)
    if request.method != "POST":
        context = {
            "credential": credential,
            "is_active": credential.status_at(clock.now()) == CredentialStatus.ACTIVE,
            "overlaps": [(code, label) for code, (_seconds, label) in OVERLAPS.items()],
        }
        return _page(request, place, "key_rotate", _("Rotate"), context)
    overlap_s, _label = OVERLAPS.get(request.POST.get("overlap", ""), (None, ""))
    try:
        if overlap_s is None:
            raise ValidationError.of("overlap", "invalid_choice", _("Choose when the old key ends."))
        made = credential_rotate(
            account_id=place.account.pk,
            credential_id=credential_id,
            actor=place.person,
            overlap_s=overlap_s,
            form_key=key_of(request),
            now=clock.now(),
        )
    except KeyMadeAlready as error:
        return _told_already(request, error)
    except ValidationError as error:
        messages.error(request, error.details["fields"][0]["message"])
        return redirect("organisation_keys")
    return _shown_once(request, place, made)


@require_http_methods(["GET", "HEAD", "POST"])
@in_organisation(Permission.KEYS)
def key_revoke(request: HttpRequest, place: Place, credential_id: UUID) -> HttpResponse:
    """GET says what it means; POST ends the key for the very next call."""
    credential = credential_get(account_id=place.account.pk, credential_id=credential_id)
    if request.method != "POST":
        return _page(request, place, "key_revoke", _("Revoke"), {"credential": credential})
    credential_revoke(
        account_id=place.account.pk, credential_id=credential_id, actor=place.person, now=clock.now()
    )
    messages.success(
        request, _("%(name)s is revoked: calls with it are refused from now on.") % {"name": credential.name}
    )
    return redirect("organisation_keys")


def _page(
    request: HttpRequest, place: Place, template: str, title: str, context: dict[str, Any]
) -> HttpResponse:
    crumbs = [
        (_("Organisation"), reverse("organisation")),
        (_("Keys"), reverse("organisation_keys")),
        (title, ""),
    ]
    return render_place(request, place, template, {"tab": "keys", "crumbs": crumbs, **context})


def _shown_once(request: HttpRequest, place: Place, made: MadeCredential) -> HttpResponse:
    """The only answer with the key in it. It is kept by no cache, no session and no log."""
    return _page(
        request,
        place,
        "key_made",
        _("A new key"),
        {
            "made": made,
            "old": made.credential.rotated_from,
            "base_url": settings.BASE_URL,
            "try_path": next((TRIES[scope] for scope in TRIES if scope in made.credential.scopes), ""),
        },
    )


def _told_already(request: HttpRequest, error: KeyMadeAlready) -> HttpResponse:
    messages.info(request, str(error.message))
    return redirect("organisation_keys")


def _end_of(lifetime: str) -> datetime | None:
    if lifetime not in LIFETIMES:
        raise ValidationError.of("lifetime", "invalid_choice", _("Choose how long the key works."))
    span, _label = LIFETIMES[lifetime]
    return clock.now() + span if span else None
