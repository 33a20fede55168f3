"""Settings and password over HTTP: what is right is kept, what is wrong changes nothing."""

import json
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.enums import Channel, NotificationKind
from accounts.models import User
from accounts.rules import complete_choices, merged_choices
from accounts.tests.factories import PASSWORD, bearer, make_person

pytestmark = [pytest.mark.req("AC-2")]

DEFAULTS = {kind: {"email": kind != "news", "in_app": kind != "news"} for kind in NotificationKind.values}
NEW = {
    "display_name": "Zoé",
    "language": "fr",
    "timezone": "Europe/Paris",
    "theme": "dark",
    "notifications": DEFAULTS | {"news": {"email": True, "in_app": False}},
    "usage_thresholds": [50, 90],
}


@pytest.fixture
def person(db: None) -> User:
    return make_person(display_name="Ada")


class Api:
    def __init__(self, person: User) -> None:
        self.client, self.headers = Client(), bearer(person)

    def __call__(self, method: str, body: Any = None, path: str = "/v1/account/settings") -> Any:
        sent = "" if body is None else json.dumps(body)
        return getattr(self.client, method)(path, sent, content_type="application/json", **self.headers)


@pytest.fixture
def api(person: User) -> Api:
    return Api(person)


def stored(person: User) -> dict[str, Any]:
    return User.objects.filter(pk=person.pk).values().get()


def test_defaults_are_complete(api: Api) -> None:
    assert api("get").json()["data"] == {
        "display_name": "Ada",
        "language": "en",
        "timezone": "UTC",
        "theme": "system",
        "notifications": DEFAULTS,
        "usage_thresholds": [80, 95],
    }


@pytest.mark.parametrize("path", ["/v1/account/settings", "/api/account/settings"])
def test_put_replaces_and_get_tells_the_same(api: Api, path: str) -> None:
    assert api("put", NEW, path).json()["data"] == NEW
    assert api("get", path=path).json()["data"] == NEW


@pytest.mark.parametrize("field", sorted(NEW))
def test_put_needs_every_field(api: Api, person: User, field: str) -> None:
    before = stored(person)
    response = api("put", {name: value for name, value in NEW.items() if name != field})
    assert response.status_code == 422
    assert response.json()["error"]["details"]["fields"][0] | {"message": ""} == {
        "field": field,
        "code": "required",
        "message": "",
    }
    assert stored(person) == before


def test_patch_changes_only_what_it_names(api: Api) -> None:
    api("put", NEW)
    answer = api("patch", {"theme": "light", "notifications": {"overage": {"email": False}}})
    expected = NEW | {"theme": "light"}
    expected["notifications"] = NEW["notifications"] | {"overage": {"email": False, "in_app": True}}
    assert answer.json()["data"] == expected


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("display_name", "x" * 81),
        ("display_name", 7),
        ("display_name", None),
        ("display_name", "Ada\nBcc: all@example.test"),
        ("display_name", "\u202egnp.exe"),
        ("language", "de"),
        ("language", ["fr"]),
        ("timezone", "Mars/Olympus"),
        ("timezone", "../../etc/passwd"),
        ("timezone", ""),
        ("theme", "pink"),
        ("theme", True),
        ("notifications", []),
        ("notifications", {"overage": True}),
        ("notifications", {"overage": {"email": 1}}),
        ("notifications", {"overage": {"fax": True}}),
        ("notifications", {"unknown": {"email": True}}),
        ("usage_thresholds", [0]),
        ("usage_thresholds", [101]),
        ("usage_thresholds", ["80"]),
        ("usage_thresholds", [80.5]),
        ("usage_thresholds", [True]),
        ("usage_thresholds", [1, 2, 3, 4, 5, 6]),
        ("usage_thresholds", "80"),
        ("email", "new@example.test"),
        ("is_staff", True),
    ],
)
def test_wrong_values_change_nothing(api: Api, person: User, field: str, value: Any) -> None:
    before = stored(person)
    response = api("patch", {"theme": "dark", field: value})
    assert (response.status_code, response.json()["error"]["code"]) == (422, "validation_error")
    assert all(found["field"].startswith(field) for found in response.json()["error"]["details"]["fields"])
    assert stored(person) == before


def test_thresholds_are_sorted_and_told_once(api: Api) -> None:
    assert api("patch", {"usage_thresholds": [95, 50, 95]}).json()["data"]["usage_thresholds"] == [50, 95]


def test_an_empty_patch_changes_nothing(api: Api, person: User) -> None:
    before = stored(person)
    assert api("patch", {}).status_code == 200
    assert stored(person) == before


def change(api: Api, current: str, new: str) -> Any:
    return api("post", {"current_password": current, "new_password": new}, "/v1/account/password")


def test_password_change_withdraws_every_token_and_gives_a_new_pair(api: Api, person: User) -> None:
    answer = change(api, PASSWORD, "a-much-better-one-9")
    assert answer.status_code == 200
    assert api("get").json()["error"]["code"] == "token_expired"
    api.headers = {"HTTP_AUTHORIZATION": f"Bearer {answer.json()['data']['access']}"}
    assert api("get").status_code == 200
    person.refresh_from_db()
    assert person.check_password("a-much-better-one-9")


@pytest.mark.parametrize(
    ("language", "subject"),
    [("en", "Your Palier password was changed"), ("fr", "Votre mot de passe Palier a été changé")],
)
def test_who_has_the_address_hears_of_a_new_password(
    api: Api, person: User, language: str, subject: str
) -> None:
    User.objects.filter(pk=person.pk).update(language=language)
    EmailAddress.objects.create(user=person, email=person.email, primary=True, verified=True)
    assert change(api, "wrong", "a-much-better-one-9").status_code == 422
    assert mail.outbox == []
    assert change(api, PASSWORD, "a-much-better-one-9").status_code == 200
    assert [(one.subject, one.to) for one in mail.outbox] == [(subject, [person.email])]


def test_a_password_is_changed_though_the_mail_cannot_be_sent(
    api: Api, person: User, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    EmailAddress.objects.create(user=person, email=person.email, primary=True, verified=True)
    settings.EMAIL_BACKEND = "accounts.tests.test_sign_in_mails._Down"
    assert change(api, PASSWORD, "a-much-better-one-9").status_code == 200
    person.refresh_from_db()
    assert person.check_password("a-much-better-one-9")
    assert "mail_not_sent" in caplog.text


@pytest.mark.parametrize(
    ("current", "new", "field", "code"),
    [
        ("wrong", "a-much-better-one-9", "current_password", "wrong"),
        (PASSWORD, "short", "new_password", "password_too_short"),
        (PASSWORD, "1234567890123", "new_password", "password_entirely_numeric"),
        (PASSWORD, "password123", "new_password", "password_too_common"),
    ],
)
def test_password_that_is_not_right_changes_nothing(
    api: Api, person: User, current: str, new: str, field: str, code: str
) -> None:
    before = stored(person)
    answer = change(api, current, new)
    assert answer.status_code == 422
    found = {(one["field"], one["code"]) for one in answer.json()["error"]["details"]["fields"]}
    assert (field, code) in found
    assert stored(person) == before
    assert api("get").status_code == 200


flags = st.booleans()
choices = st.dictionaries(
    st.sampled_from(NotificationKind.values), st.dictionaries(st.sampled_from(Channel.values), flags)
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(stored_choices=choices, changes=choices)
def test_merging_choices_keeps_what_is_not_named(stored_choices: Any, changes: Any) -> None:
    merged = merged_choices(stored_choices, changes)
    before, after = (
        complete_choices(chosen, kinds=NotificationKind.values, channels=Channel.values)
        for chosen in (stored_choices, merged)
    )
    for kind in NotificationKind.values:
        for way in Channel.values:
            assert after[kind][way] == changes.get(kind, {}).get(way, before[kind][way])
