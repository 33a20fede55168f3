"""The personas' page, as a browser without JavaScript meets it."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client

from common.clock import database_now
from showcase import keeping
from showcase.models import Persona

pytestmark = pytest.mark.req("PC-10")

PAGE = "/personas/"


@pytest.fixture
def browser(caller):
    client = Client()
    client.force_login(caller.user)
    return client


def archive(caller, name):
    ids = [str(Persona.objects.get(account=caller.account, name=name).pk)]
    keeping.personas_archive(account_id=caller.account.pk, ids=ids, now=database_now())


def test_made_twice_by_one_press_is_made_once(browser, caller):
    form = {"name": "Ada", "traits": "curious", "key": uuid.uuid4().hex}
    for _ in range(2):
        assert browser.post(PAGE, form).status_code == 302
    assert Persona.objects.get().name == "Ada"
    assert '1</span> <span class="of">of 2' in browser.get(PAGE).content.decode()


@pytest.mark.parametrize("name", ["", " ", "x" * 81, "nul\x00"])
def test_what_is_wrong_is_said_at_its_field(browser, name):
    answer = browser.post(PAGE, {"name": name, "key": uuid.uuid4().hex})
    assert answer.status_code == 422
    assert "errorlist" in answer.content.decode()
    assert not Persona.objects.exists()


def test_archived_ones_are_shown_with_the_way_back(browser, caller):
    for name in ("Ada", "Bea"):
        browser.post(PAGE, {"name": name})
    archive(caller, "Bea")
    text = browser.get(PAGE).content.decode()
    assert "Your plan has no room for these" in text
    assert "There is room now: you can bring one back." in text
    bea = Persona.objects.get(name="Bea").pk
    assert browser.post(f"{PAGE}{bea}/restore/").status_code == 302
    assert Persona.objects.get(name="Bea").archived_at is None


def test_without_room_nothing_comes_back(browser, caller):
    for name in ("Ada", "Bea"):
        browser.post(PAGE, {"name": name})
    archive(caller, "Bea")
    browser.post(PAGE, {"name": "Cleo"})
    text = browser.get(PAGE).content.decode()
    assert "Bring back" not in text
    assert "Or delete one that is in use" in text
    bea = Persona.objects.get(name="Bea")
    refused = browser.post(f"{PAGE}{bea.pk}/restore/")
    assert refused.status_code == 429
    assert "Nothing was made or brought back." in refused.content.decode()
    bea.refresh_from_db()
    assert bea.archived_at is not None


def test_deleting_an_archived_one_gives_nothing_back(browser, caller):
    for name in ("Ada", "Bea"):
        browser.post(PAGE, {"name": name})
    archive(caller, "Bea")
    assert browser.post(f"{PAGE}{Persona.objects.get(name='Bea').pk}/delete/").status_code == 302
    assert [one.name for one in Persona.objects.all()] == ["Ada"]


def test_a_foreign_persona_is_unknown(browser, caller_with):
    other = caller_with("personas")
    foreign, _ = keeping.persona_create(account=other.account, name="X", traits={}, now=database_now())
    for verb in ("restore", "delete"):
        for one in (foreign.pk, uuid.uuid4()):
            assert browser.post(f"{PAGE}{one}/{verb}/").status_code == 404
    assert Persona.objects.get().name == "X"
