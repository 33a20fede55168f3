"""Told once for each cause, by the ways that were chosen, in the reader's language; mailed at most once."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import connections, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import AccountKind, EmailStatus, Membership, Notification, Role, User
from accounts.notifications import message, notify, recipients_of
from accounts.notifications.mail import notification_send
from accounts.notifications.messages import Action, Context, Message, message_of, templates
from accounts.notifications.services import unsubscribe_token
from accounts.services import account_create_organisation
from accounts.tests.factories import NOW, account_of, bearer, make_person
from common import outbox

KIND = "plan_changed"


@message("test_greeting")
def greeting(context: Context) -> Message:
    return Message(
        subject=f"Hello\n{context['what']}",
        lines=["<One> line & another."],
        facts=[("Amount", "€5.00")],
        action=Action("Look", "/account/"),
    )


@pytest.fixture
def person(db: None) -> User:
    return make_person(display_name="Ada", email="ada@example.test")


@transaction.atomic
def tell(person: User, cause: str = "change:1", kind: str = KIND) -> list[Notification]:
    return notify(
        kind=kind,
        template="test_greeting",
        cause=cause,
        context={"what": "world"},
        account=account_of(person),
        now=NOW,
    )


def later(minutes: int = 0) -> int:
    return outbox.run_due(now=NOW + timedelta(minutes=minutes))


@pytest.mark.req("NO-3")
def test_one_mail_for_one_cause(person: User) -> None:
    assert len(tell(person)) == 1
    assert tell(person) == []
    later()
    (sent,) = mail.outbox
    assert sent.to == ["ada@example.test"]
    assert sent.subject == "Hello world"
    assert "Hello Ada," in sent.body
    assert "<One> line & another." in sent.body
    html = str(sent.alternatives[0].content)
    assert "&lt;One&gt; line &amp; another." in html
    assert "€5.00" in html
    one = Notification.objects.get()
    assert (one.email_status, one.emailed_at is not None) == (EmailStatus.SENT, True)


@pytest.mark.req("NO-3")
def test_the_mail_is_in_its_persons_language(person: User) -> None:
    User.objects.update(language="fr", timezone="Europe/Paris")
    tell(person)
    later()
    assert "Bonjour Ada" in mail.outbox[0].body
    assert "No more mails" not in mail.outbox[0].body


class Shaky(EmailBackend):
    """Fails twice, then works."""

    failures = 2

    def send_messages(self, messages: Any) -> int:
        if Shaky.failures:
            Shaky.failures -= 1
            raise ConnectionError("the mail server is away")
        return super().send_messages(messages)


@pytest.mark.req("NO-3")
def test_a_mail_server_that_fails_twice_sends_one(person: User, settings: Any) -> None:
    Shaky.failures = 2
    settings.EMAIL_BACKEND = f"{__name__}.Shaky"
    tell(person)
    for minutes in (0, 10, 20, 30):
        later(minutes)
    assert len(mail.outbox) == 1
    assert Notification.objects.get().email_status == EmailStatus.SENT


@pytest.mark.req("NO-3")
def test_a_sender_that_died_is_not_repeated(person: User, caplog: pytest.LogCaptureFixture) -> None:
    """Died after the mail server took it, before that was written: nobody knows, so it is not sent again."""
    (one,) = tell(person)
    Notification.objects.update(email_status=EmailStatus.SENDING)
    later()
    assert mail.outbox == []
    assert Notification.objects.get().email_status == EmailStatus.UNSURE
    notification_send(notification_id=one.pk, now=NOW)
    assert mail.outbox == []


@pytest.mark.req("NO-3")
def test_told_once_by_many_at_once(committed_db: None) -> None:
    person = make_person(email="ada@example.test")

    def run(_: int) -> int:
        try:
            return len(tell(person))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(run, range(64))) == 1
    later()
    assert len(mail.outbox) == 1


@pytest.mark.req("NO-3", "AC-2")
@pytest.mark.parametrize(
    ("choice", "in_app", "mailed"),
    [({}, True, 1), ({"email": False}, True, 0), ({"in_app": False}, False, 1)],
    ids=["as it is", "no mail", "not in the app"],
)
def test_choices_are_respected(person: User, choice: dict[str, bool], in_app: bool, mailed: int) -> None:
    User.objects.update(notifications={KIND: choice})
    tell(person)
    later()
    assert len(mail.outbox) == mailed
    listed = Client().get("/v1/account/notifications", **bearer(person)).json()["data"]
    assert bool(listed) is in_app


@pytest.mark.req("NO-4")
def test_news_only_for_those_who_opted_in(person: User) -> None:
    tell(person, kind="news")
    later()
    assert mail.outbox == []
    User.objects.update(notifications={"news": {"email": True}})
    tell(person, cause="news:2", kind="news")
    later()
    assert len(mail.outbox) == 1


@pytest.mark.req("NO-3")
def test_who_is_told_about_an_organisation(person: User) -> None:
    organisation = account_create_organisation(name="Acme", owner=person, now=NOW)
    assert organisation.kind == AccountKind.ORGANISATION
    admin, member, gone = make_person(), make_person(), make_person(is_active=False)
    for user, role in ((admin, Role.ADMIN), (member, Role.VIEWER), (gone, Role.ADMIN)):
        Membership.objects.create(account=organisation, user=user, role=role)
    assert recipients_of(organisation) == [person, admin]


# In the app ---------------------------------------------------------------------------------------------------------


@pytest.mark.req("NO-3", "EN-11")
def test_read_over_the_api(person: User) -> None:
    (one,) = tell(person)
    stranger = make_person()
    path = f"/v1/account/notifications/{one.pk}/read"

    def read(user: User) -> Any:
        return Client().post(path, content_type="application/json", **bearer(user))

    assert read(stranger).status_code == 404
    assert Notification.objects.get().read_at is None
    (listed,) = Client().get("/v1/account/notifications", **bearer(person)).json()["data"]
    assert (listed["kind"], listed["title"], listed["url"], listed["read_at"]) == (
        KIND,
        "Hello\nworld",
        "/account/",
        None,
    )
    first = read(person).json()["data"]["read_at"]
    assert first
    assert read(person).json()["data"]["read_at"] == first


@pytest.mark.req("NO-3")
def test_the_inbox_page(person: User, client: Client) -> None:
    client.force_login(person)
    assert "Nothing yet" in client.get(reverse("notifications")).text
    (one,) = tell(person)
    page = client.get(reverse("notifications")).text
    assert "&lt;One&gt; line" in page
    assert "Mark all as read" in page
    answer = client.post(reverse("notification_open", args=[one.pk]))
    assert (answer.status_code, answer["Location"]) == (302, "/account/")
    assert "Mark all as read" not in client.get(reverse("notifications")).text
    tell(person, cause="change:2")
    client.post(reverse("notifications_read"))
    assert not Notification.objects.filter(read_at=None).exists()


@pytest.mark.req("NO-3")
def test_a_strangers_notification_is_unknown(person: User, client: Client) -> None:
    (one,) = tell(person)
    client.force_login(make_person())
    assert client.post(reverse("notification_open", args=[one.pk])).status_code == 404
    assert Notification.objects.get().read_at is None


# Turned off from a mail ---------------------------------------------------------------------------------------------


@pytest.mark.req("NO-3")
def test_turned_off_from_a_mail_without_signing_in(person: User, client: Client) -> None:
    tell(person)
    later()
    address = re.search(r"/unsubscribe/\S+", mail.outbox[0].body)
    assert address
    assert address[0] in mail.outbox[0].extra_headers["List-Unsubscribe"]
    path = address[0]
    assert client.get(path).status_code == 200
    person.refresh_from_db()
    assert person.notifications == {}, "looking alone changes nothing"
    strict = Client(enforce_csrf_checks=True)
    answer = strict.post(path, {"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    person.refresh_from_db()
    assert person.notifications == {KIND: {"email": False}}
    for again in (answer, client.get(path)):
        assert "You get no more mails of this kind" in again.content.decode()
    tell(person, cause="change:2")
    later()
    assert len(mail.outbox) == 1


@pytest.mark.req("NO-3")
@pytest.mark.parametrize("what", ["nonsense", "another kind", "nobody"])
def test_a_forged_link_turns_nothing_off(person: User, client: Client, what: str) -> None:
    token = {
        "nonsense": "nonsense",
        "another kind": unsubscribe_token(user_id=person.pk, kind="no_such_kind"),
        "nobody": unsubscribe_token(user_id=0, kind=KIND),
    }[what]
    address = reverse("notification_unsubscribe", args=[token])
    assert client.post(address).status_code == 404
    shown = client.get(address)
    assert (shown.status_code, reverse("account_settings_page") in shown.content.decode()) == (404, True)
    person.refresh_from_db()
    assert person.notifications == {}


# The settings page --------------------------------------------------------------------------------------------------


FORM = {
    "display_name": "Zoé",
    "language": "fr",
    "timezone": "Europe/Paris",
    "theme": "dark",
    "usage_thresholds": "90, 50 %",
    "plan_changed.email": "on",
    "news.in_app": "on",
}


@pytest.mark.req("AC-2")
def test_settings_are_kept(person: User, client: Client) -> None:
    client.force_login(person)
    page = client.get(reverse("account_settings_page"))
    assert 'value="80, 95"' in page.text
    assert client.post(reverse("account_settings_page"), FORM).status_code == 302
    person.refresh_from_db()
    assert (person.display_name, person.language, person.timezone, person.theme) == (
        "Zoé",
        "fr",
        "Europe/Paris",
        "dark",
    )
    assert person.usage_thresholds == [50, 90]
    assert person.notifications["plan_changed"] == {"email": True, "in_app": False}
    assert person.notifications["news"] == {"email": False, "in_app": True}
    assert person.notifications["payment_failed"] == {"email": False, "in_app": False}


@pytest.mark.req("AC-2")
@pytest.mark.parametrize(
    "wrong",
    [
        {"timezone": "Mars/Olympus"},
        {"language": "de"},
        {"theme": "pink"},
        {"usage_thresholds": "0"},
        {"usage_thresholds": "101"},
        {"usage_thresholds": "80,,x"},
        {"usage_thresholds": "1,2,3,4,5,6"},
        {"usage_thresholds": "٣"},
        {"display_name": "x" * 81},
        {"display_name": "a\0b"},
    ],
    ids=str,
)
def test_wrong_settings_change_nothing(person: User, client: Client, wrong: dict[str, str]) -> None:
    client.force_login(person)
    before = User.objects.values().get()
    answer = client.post(reverse("account_settings_page"), FORM | wrong)
    assert answer.status_code == 422
    assert "Nothing is saved yet" in answer.text
    assert {k: v for k, v in User.objects.values().get().items() if k != "last_login"} == {
        k: v for k, v in before.items() if k != "last_login"
    }


@pytest.mark.req("NO-3")
def test_every_template_has_a_text_in_both_languages() -> None:
    assert "quota_threshold" in templates()
    with pytest.raises(KeyError):
        message_of("no_such_template", {})
