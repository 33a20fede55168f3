"""Every error there is has a page in both languages, with its code, its reference and a next step."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from django.utils import translation

import accounts.errors
import billing.errors
import common.errors
import enterprise.errors
import quotas.errors
import showcase.errors
from accounts.tests.factories import account_of as own_account
from accounts.tests.factories import make_person
from common.errors import DomainError
from common.pages import render_error
from enterprise.models import Credential
from quotas.values import Bound, Decision, Refusal

# Named, so that what else has been imported by then makes no difference.
MODULES = {
    module.__name__
    for module in (
        accounts.errors,
        billing.errors,
        common.errors,
        enterprise.errors,
        quotas.errors,
        showcase.errors,
    )
}


def _all_errors(root: type[DomainError] = DomainError) -> Iterator[type[DomainError]]:
    if root.__module__ in MODULES:
        yield root
    for child in root.__subclasses__():
        yield from _all_errors(child)


ERRORS = sorted({error.code: error for error in _all_errors()}.values(), key=lambda error: error.code)


def one_of(error: type[DomainError]) -> DomainError:
    if error is enterprise.errors.KeyMadeAlready:
        return enterprise.errors.KeyMadeAlready(Credential(name="Till"))
    return error()


def page_of(error: DomainError, language: str) -> str:
    request = RequestFactory().get("/somewhere/")
    request.user = AnonymousUser()
    with translation.override(language):
        answer = render_error(request, error)
    assert answer.status_code == error.status
    return answer.content.decode()


@pytest.mark.django_db
@pytest.mark.req("AC-7")
@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_page(error: type[DomainError], language: str):
    page = page_of(one_of(error), language)
    assert f'<html lang="{language}"' in page
    assert page.count("<h1>") == 1
    assert 'class="button' in page.split('<div class="error-page">')[1], "a next step"


@pytest.mark.django_db
@pytest.mark.req("AC-7", "QU-9")
def test_a_reached_quota_shows_the_limit_and_when_it_starts_again():
    from common.clock import database_now

    now = database_now()
    bound = Bound(
        "messages", "day", "plan", "", 5, "block", 5, 0, now, now + timedelta(days=366), allows=False
    )
    decision = Decision(
        account_id=own_account(make_person()).pk,
        metric="messages",
        units=1,
        allowed=False,
        decided_at=now,
        refusal=Refusal.QUOTA_EXCEEDED,
        lazy_bounds=(bound,),
    )
    error = quotas.errors.QuotaExceeded()
    error.decision = decision
    page = page_of(error, "en")
    assert "5 of 5 used" in page
    assert "data-countdown" in page
    assert "nothing was counted" in page
