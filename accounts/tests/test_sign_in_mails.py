"""The mails about signing in: they name the product, are written in the person's language, and are ours to the last word."""

import re
from pathlib import Path
from smtplib import SMTPServerDisconnected
from typing import Any

import allauth
import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.adapter import get_adapter
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.conf import settings
from django.core import mail
from django.test import Client

from accounts.models import User
from accounts.tests.factories import PASSWORD, make_person, totp_code

pytestmark = [pytest.mark.django_db, pytest.mark.req("AC-1")]

NEW_PASSWORD = "another-good-password-8"
FRENCH, ENGLISH = {"Accept-Language": "fr"}, {"Accept-Language": "en"}
# Codes by mail and security keys are off (config/settings.py); a confirmed address is told on the page.
UNUSED = ("login_code", "password_reset_code", "webauthn_", "email_confirm_", "base_")


def person(language: str, **fields: Any) -> User:
    user = make_person(language=language, timezone="Europe/Paris", **fields)
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
    return user


def signed_in(user: User) -> Client:
    """By the form, as a person does, and asked once more, as for what concerns safety."""
    client = Client()
    assert client.post("/accounts/login/", {"login": user.email, "password": PASSWORD}).status_code == 302
    assert client.post("/accounts/reauthenticate/", {"password": PASSWORD}).status_code == 302
    mail.outbox.clear()
    return client


def only_mail() -> tuple[str, str]:
    (one,) = mail.outbox
    assert one.from_email == settings.DEFAULT_FROM_EMAIL
    return one.subject, one.body


def link_in(body: str) -> str:
    (link,) = re.findall(r"http://testserver(\S+)", body)
    return link


def sign_up(language: str, visitor: dict[str, str]) -> None:
    form = {"email": "new@example.test", "password1": "a-good-password-7"}
    assert Client().post("/accounts/signup/", form, headers=visitor).status_code == 302


def ask_again(language: str, visitor: dict[str, str]) -> None:
    user = person(language)
    EmailAddress.objects.filter(user=user).update(verified=False)
    signed_in(user).post("/accounts/email/", {"email": user.email, "action_send": ""}, headers=visitor)


def forget(language: str, visitor: dict[str, str]) -> None:
    user = person(language)
    Client().post("/accounts/password/reset/", {"email": user.email}, headers=visitor)


def forget_what_never_was(language: str, visitor: dict[str, str]) -> None:
    Client().post("/accounts/password/reset/", {"email": "nobody@example.test"}, headers=visitor)


def change(language: str, visitor: dict[str, str]) -> None:
    form = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    signed_in(person(language)).post("/accounts/password/change/", form, headers=visitor)


def reset(language: str, visitor: dict[str, str]) -> None:
    user, client = person(language), Client()
    client.post("/accounts/password/reset/", {"email": user.email}, headers=visitor)
    path = link_in(mail.outbox.pop().body)
    form_path = client.get(path, headers=visitor)["Location"]
    client.post(form_path, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}, headers=visitor)
    user.refresh_from_db()
    assert user.check_password(NEW_PASSWORD)


def remove(language: str, visitor: dict[str, str]) -> None:
    user = person(language)
    EmailAddress.objects.create(user=user, email="other@example.test", verified=True)
    form = {"email": "other@example.test", "action_remove": ""}
    signed_in(user).post("/accounts/email/", form, headers=visitor)


def move(language: str, visitor: dict[str, str]) -> None:
    user = person(language)
    EmailAddress.objects.create(user=user, email="other@example.test", verified=True)
    form = {"email": "other@example.test", "action_primary": ""}
    signed_in(user).post("/accounts/email/", form, headers=visitor)
    assert mail.outbox[0].to == [user.email]  # the one before hears of it


def recovery(language: str, visitor: dict[str, str]) -> None:
    user = person(language)
    client = signed_in(user)
    TOTP.activate(user, "JBSWY3DPEHPK3PXP")
    RecoveryCodes.activate(user)
    client.post("/accounts/2fa/recovery-codes/generate/", headers=visitor)


def two_factor_off(language: str, visitor: dict[str, str]) -> None:
    user = person(language)
    client = signed_in(user)
    TOTP.activate(user, "JBSWY3DPEHPK3PXP")
    client.post("/accounts/2fa/totp/deactivate/", headers=visitor)


CASES: dict[str, tuple[Any, dict[str, str], dict[str, str]]] = {
    "sign up": (
        sign_up,
        {"en": "Confirm your e-mail address for Palier", "fr": "Confirmez votre adresse e-mail pour Palier"},
        {"en": "Welcome to Palier.", "fr": "Bienvenue sur Palier."},
    ),
    "ask again": (
        ask_again,
        {"en": "Confirm your e-mail address for Palier", "fr": "Confirmez votre adresse e-mail pour Palier"},
        {"en": "was given for a Palier account", "fr": "a été indiquée pour un compte Palier"},
    ),
    "forgotten": (
        forget,
        {"en": "Choose a new password for Palier", "fr": "Choisissez un nouveau mot de passe pour Palier"},
        {"en": "The link works once, for three days.", "fr": "une seule fois, pendant trois jours."},
    ),
    "unknown": (
        forget_what_never_was,
        {"en": "There is no Palier account with this address", "fr": "Aucun compte Palier n’a cette adresse"},
        {"en": "create it here:\nhttp", "fr": "créez-le ici\N{NO-BREAK SPACE}:\nhttp"},
    ),
    "changed": (
        change,
        {"en": "Your Palier password was changed", "fr": "Votre mot de passe Palier a été changé"},
        {"en": "If it was not, choose", "fr": "Sinon, choisissez"},
    ),
    "reset": (
        reset,
        {"en": "Your Palier password was changed", "fr": "Votre mot de passe Palier a été changé"},
        {"en": "with a link that we had sent", "fr": "au moyen d’un lien que nous avions envoyé"},
    ),
    "removed": (
        remove,
        {
            "en": "An address was removed from your Palier account",
            "fr": "Une adresse a été retirée de votre compte Palier",
        },
        {"en": "other@example.test was removed", "fr": "other@example.test a été retirée"},
    ),
    "moved": (
        move,
        {
            "en": "The main address of your Palier account was changed",
            "fr": "L’adresse principale de votre compte Palier a changé",
        },
        {"en": "but other@example.test.", "fr": "mais other@example.test."},
    ),
    "recovery": (
        recovery,
        {
            "en": "New recovery codes for your Palier account",
            "fr": "Nouveaux codes de secours pour votre compte Palier",
        },
        {"en": "no longer work", "fr": "ne fonctionnent plus"},
    ),
    "two-factor off": (
        two_factor_off,
        {
            "en": "Two-factor sign-in is off for your Palier account",
            "fr": "La connexion en deux étapes est désactivée pour votre compte Palier",
        },
        {"en": "the password alone", "fr": "le mot de passe suffit"},
    ),
}


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("case", [case for case in CASES if case != "recovery"])
def test_it_names_the_product_in_the_persons_language(case: str, language: str) -> None:
    check(case, language)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_what_is_told_after_the_commit_too(committed_db: None, language: str) -> None:
    check("recovery", language)


def check(case: str, language: str) -> None:
    act, subject, part = CASES[case]
    strangers = case in {"sign up", "unknown"}  # nobody is known: the visitor's own language
    visitor = (
        (FRENCH if language == "fr" else ENGLISH) if strangers else (ENGLISH if language == "fr" else FRENCH)
    )
    act(language, visitor)
    told, body = only_mail()
    assert told == subject[language]
    assert part[language] in body
    assert body.startswith({"en": "Hello,\n", "fr": "Bonjour,\n"}[language])
    assert f"Palier · {settings.SUPPORT_EMAIL}" in body
    without_links = re.sub(r"http\S+", "", body)
    assert "testserver" not in without_links + told
    assert "'" not in (without_links if language == "fr" else "")
    assert not re.search(r"\n{3,}|&#|&amp;", body)


def test_every_mail_that_can_be_sent_is_ours() -> None:
    """Another version of allauth with another mail fails here."""
    theirs = Path(allauth.__file__).parent / "templates"
    ours = settings.BASE_DIR / "templates"
    names = [
        path.relative_to(theirs)
        for folder in (
            "account/email",
            "mfa/email",
            "account/messages",
            "mfa/messages",
            "usersessions/messages",
        )
        for path in sorted((theirs / folder).glob("*.txt"))
        if not path.name.startswith((*UNUSED, "phone_"))
    ]
    assert len(names) > 35
    assert [str(name) for name in names if not (ours / name).exists()] == []


def test_turning_two_factor_on_is_told_and_names_the_product(committed_db: None) -> None:
    user = person("en")
    client = signed_in(user)
    assert client.get("/accounts/2fa/totp/activate/").status_code == 200
    assert "issuer=Palier" in get_adapter().build_totp_url(user, client.session["mfa.totp.secret"])
    secret = client.session["mfa.totp.secret"]
    code = totp_code(secret)
    assert client.post("/accounts/2fa/totp/activate/", {"code": code}).status_code == 302
    subjects = [one.subject for one in mail.outbox]
    assert "Two-factor sign-in is on for your Palier account" in subjects


class _Down:
    """A mail server that does not answer."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None: ...

    def send_messages(self, *_args: Any) -> int:
        raise SMTPServerDisconnected("no mail server at 10.0.0.1")


@pytest.fixture
def no_mail(settings: Any) -> None:
    settings.EMAIL_BACKEND = f"{__name__}._Down"


def test_without_mail_a_change_is_made_all_the_same(no_mail: None, caplog: pytest.LogCaptureFixture) -> None:
    change("fr", FRENCH)
    assert User.objects.get().check_password(NEW_PASSWORD)
    assert "mail_not_sent" in caplog.text


def test_without_mail_one_can_sign_up_and_hears_of_it(no_mail: None) -> None:
    client = Client()
    form = {"email": "new@example.test", "password1": "a-good-password-7"}
    answer = client.post("/accounts/signup/", form, headers=ENGLISH)
    assert (answer.status_code, answer["Location"]) == (302, "/account/")
    assert (
        "We could not send the mail that confirms your address."
        in client.get("/account/settings/").content.decode()
    )


@pytest.mark.parametrize("known", [True, False])
def test_without_mail_a_forgotten_password_says_so_alike(no_mail: None, known: bool) -> None:
    email = person("en").email if known else "nobody@example.test"
    answer = Client().post("/accounts/password/reset/", {"email": email}, headers=ENGLISH)
    page = answer.content.decode()
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "We could not send the mail." in page
    assert "10.0.0.1" not in page
