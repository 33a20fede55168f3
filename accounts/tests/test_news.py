"""News: written by staff, told once to those who opted in, shown once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from django.core import mail
from django.db import connections, transaction
from django.test import Client

from accounts.models import News, Notification, User
from accounts.news import news_publish, news_tell
from accounts.services import account_create_organisation
from accounts.tests.factories import UserFactory, make_person
from common import outbox
from common.clock import database_now
from common.errors import NotFound
from common.models import AuditEntry

pytestmark = [pytest.mark.django_db, pytest.mark.req("NO-4")]
BOTH = {"news": {"email": True, "in_app": True}}
FORM = {
    "title_en": "Exports",
    "title_fr": "Exports",
    "text_en": "You can export now.\n\nSee <b>the page</b>.",
    "text_fr": "Vous pouvez exporter.",
    "path": "/account/",
    "audience": "everybody",
}


def news(**fields: str) -> News:
    return News.objects.create(**{**FORM, **fields}, created_at=database_now())


def published(**fields: str) -> News:
    return news_publish(news_id=news(**fields).pk, actor=staff(), now=database_now())


def staff() -> User:
    return User.objects.filter(is_staff=True).first() or User.objects.create_superuser("ada@palier.test", "x")


def reader(choices: dict | None = None, **fields) -> User:
    user = make_person(**fields)
    User.objects.filter(pk=user.pk).update(notifications=choices or {})
    user.refresh_from_db()
    return user


def test_only_those_who_opted_in_are_told_and_once():
    both, by_mail, in_app = (
        reader(BOTH),
        reader({"news": {"email": True}}),
        reader({"news": {"in_app": True}}),
    )
    reader(), reader({"news": {"email": False}}), reader(BOTH, is_active=False)
    published()
    assert news_tell(now=database_now()) == 3
    assert news_tell(now=database_now()) == 0
    outbox.run_due(now=database_now())
    assert sorted(one.to[0] for one in mail.outbox) == sorted([both.email, by_mail.email])
    assert set(Notification.objects.filter(in_app=True).values_list("user", flat=True)) == {
        both.pk,
        in_app.pk,
    }
    one = News.objects.get()
    assert (one.told, one.done_at is not None) == (3, True)
    assert "You can export now.\n\nSee <b>the page</b>." in mail.outbox[0].body
    assert "&lt;b&gt;the page&lt;/b&gt;" in str(mail.outbox[0].alternatives[0][0])


def test_what_is_not_published_is_not_told():
    reader(BOTH)
    news()
    assert news_tell(now=database_now()) == 0
    assert not Notification.objects.exists()


def test_it_goes_on_where_it_was_and_tells_nobody_twice():
    people = [reader(BOTH) for _ in range(7)]
    published()
    assert [news_tell(now=database_now(), limit=3) for _ in range(4)] == [3, 3, 1, 0]
    assert Notification.objects.count() == 7
    assert {one.pk for one in people} == set(Notification.objects.values_list("user", flat=True))


def test_a_crash_in_a_batch_loses_and_repeats_nobody():
    for _ in range(4):
        reader(BOTH)
    published()

    @transaction.atomic
    def crash() -> None:
        news_tell(now=database_now(), limit=2)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        crash()
    assert not Notification.objects.exists()
    assert [news_tell(now=database_now(), limit=3) for _ in range(2)] == [3, 1]


def test_several_at_once_tell_once(committed_db: None):
    for _ in range(12):
        reader(BOTH)
    published()

    def run(_: int) -> int:
        """Until all is told: a turn tells nobody while another one is at it."""
        told = 0
        try:
            while News.objects.filter(done_at=None).exists():
                told += news_tell(now=database_now(), limit=2)
            return told
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(run, range(4))) == 12
    assert Notification.objects.count() == 12


@pytest.mark.parametrize(
    ("audience", "who"),
    [
        ("everybody", {"person", "owner", "both"}),
        ("persons", {"person", "both"}),
        ("organisations", {"owner", "both"}),
    ],
)
def test_audiences(audience: str, who: set[str]):
    person, both = reader(BOTH), reader(BOTH)
    owner = UserFactory.create(notifications=BOTH)
    for one in (owner, both):
        account_create_organisation(name="Acme", owner=one, now=database_now())
    published(audience=audience)
    news_tell(now=database_now())
    names = {person.pk: "person", owner.pk: "owner", both.pk: "both"}
    assert {names[pk] for pk in Notification.objects.values_list("user", flat=True)} == who


def test_publishing_is_on_record_and_twice_is_once():
    one = news()
    first = news_publish(news_id=one.pk, actor=staff(), now=database_now())
    again = news_publish(news_id=one.pk, actor=staff(), now=database_now())
    assert first.published_at == again.published_at
    assert AuditEntry.objects.filter(action="news.published").count() == 1
    with pytest.raises(NotFound):
        news_publish(news_id=uuid4(), actor=staff(), now=database_now())


def test_written_and_published_in_the_administration(client: Client):
    client.force_login(staff())
    bad = client.post("/admin/accounts/news/add/", {**FORM, "path": "https://evil.example/"})
    assert bad.status_code == 200
    assert not News.objects.exists()
    assert client.post("/admin/accounts/news/add/", FORM).status_code == 302
    one = News.objects.get()
    assert (one.published_at, one.created_by) == (None, staff())
    answer = client.post(
        "/admin/accounts/news/", {"action": "publish", "_selected_action": [str(one.pk)]}, follow=True
    )
    assert "1 is published." in answer.content.decode()
    one.refresh_from_db()
    assert one.published_at is not None
    changed = client.post(f"/admin/accounts/news/{one.pk}/change/", {**FORM, "title_en": "Another"})
    assert changed.status_code == 403
    one.refresh_from_db()
    assert one.title_en == "Exports"


def test_it_is_shown_until_it_is_seen(client: Client):
    user = reader(BOTH, language="fr")
    published()
    news_tell(now=database_now())
    client.force_login(user)
    page = client.get("/account/settings/").content.decode()
    assert "Nouveau\u00a0: Exports" in page
    assert "Vous pouvez exporter." in page
    one = Notification.objects.get()
    answer = client.post(f"/account/notifications/{one.pk}/", {"next": "/account/settings/"})
    assert answer["Location"] == "/account/settings/"
    assert "Nouveau" not in client.get("/account/settings/").content.decode()
    elsewhere = client.post(f"/account/notifications/{one.pk}/", {"next": "//evil.example/"})
    assert elsewhere["Location"] == "/account/"


def test_news_has_a_category_of_its_own_to_turn_off(client: Client):
    user = reader(BOTH)
    published()
    news_tell(now=database_now())
    outbox.run_due(now=database_now())
    link = mail.outbox[0].extra_headers["List-Unsubscribe"].strip("<>")
    assert client.post("/" + link.split("/", 3)[3]).status_code == 200
    user.refresh_from_db()
    assert user.notifications["news"] == {"email": False, "in_app": True}
