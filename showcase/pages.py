"""The desk: the sample product's page, and how a metered page looks from outside."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from accounts.models import Account, User
from accounts.selectors import account_of, person_of
from billing.pages.access import signed_in
from billing.pages.forms import key_of, new_key
from billing.pages.overview import quotas_context
from common import clock
from common.ids import uuid_of
from common.ratelimit import ratelimited
from common.request_id import current_request_id
from quotas.errors import MeteringRefused
from quotas.metering import metering
from quotas.remedies import feature_details
from quotas.selectors import has_feature
from showcase.models import MAX_TEXT_LENGTH, ChatMessage
from showcase.selectors import conversation
from showcase.services import message_send

METRIC = "messages"
TURNS_SHOWN = 20
SESSION_KEY = "desk_messages"


class QuestionForm(forms.Form):
    """What is asked."""

    text = forms.CharField(
        label=gettext_lazy("Your question"),
        max_length=MAX_TEXT_LENGTH,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@ratelimited("global", "user")
def chat(request: HttpRequest) -> HttpResponse:
    """GET shows the conversation; POST asks, and counts one message when there is an answer."""
    account = account_of(request)
    if request.method != "POST":
        return _show(request, account, QuestionForm())
    form = QuestionForm(request.POST)
    if not form.is_valid():
        return _show(request, account, form, status=422)
    try:
        _ask(request, account, form.cleaned_data["text"])
    except MeteringRefused as error:
        return _show(request, account, form, status=error.status, refused=error)
    return redirect(f"{reverse('chat')}#newest")


def _ask(request: HttpRequest, account: Account, text: str) -> None:
    """Pressed twice, also at once, the question is answered and counted once: account, form and question are its id.

    A form that came back from the browser's history with another question in it asks another one.
    """
    user, message_id = cast("User", request.user), uuid_of(account.pk, key_of(request), text)
    for turn in itertools.count():
        try:
            with metering(
                account_id=account.pk,
                metric=METRIC,
                key=f"desk-{message_id.hex}-{turn}",
                request_id=current_request_id(),
            ):
                message_send(account=account, user=user, text=text, message_id=message_id, now=clock.now())
            break
        except MeteringRefused as error:
            if error.decision is None or not error.decision.replayed:
                raise
            # Refused before, and pressed again, perhaps on a larger plan: this is a new wish.
    asked = [*request.session.get(SESSION_KEY, []), str(message_id)]
    request.session[SESSION_KEY] = asked[-TURNS_SHOWN:]


def _show(
    request: HttpRequest,
    account: Account,
    form: QuestionForm,
    *,
    status: int = 200,
    refused: MeteringRefused | None = None,
) -> HttpResponse:
    quotas = quotas_context(account, reader=person_of(request), metric=METRIC)
    context: dict[str, Any] = {
        "form": form,
        "talk": _talk(request, account),
        "refused": refused,
        "form_key": new_key(),
        "suggestions": (
            _("Where is the Moon today?"),
            _("Which planets are retrograde?"),
            _("What stands in Leo?"),
        ),
        **quotas,
        "is_sold": is_sold(account, METRIC, quotas),
    }
    return render(request, "pages/chat.html", context, status=status)


def is_sold(account: Account, metric: str, quotas: dict[str, Any]) -> bool:
    """Whether a plan that the account could take has the metric; it has one already where there is a quota of it."""
    unread = bool(quotas.get("meters_error"))
    return unread or bool(quotas["meters"]) or bool(feature_details(account.pk, metric)["plans"])


def _talk(request: HttpRequest, account: Account) -> Sequence[ChatMessage]:
    """Oldest first. Plans with history show what was said before; others what was said since signing in."""
    said = conversation(account.pk)
    if not has_feature(account_id=account.pk, feature="history", at=clock.now()):
        said = said.filter(pk__in=request.session.get(SESSION_KEY, []))
    return list(said[:TURNS_SHOWN])[::-1]
