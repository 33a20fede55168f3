"""Keys and contracts on pages: shown once, no more than the role allows, nothing of anybody else's."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse

from accounts.enums import Role
from common import clock
from common.models import AuditEntry
from enterprise.enums import Scope
from enterprise.errors import InvalidApiKey
from enterprise.models import Credential
from enterprise.pages import keys as keys_page
from enterprise.rules.contracts import LimitTerms
from enterprise.services import contract_amend, credential_authenticate
from enterprise.tests.conftest import key_of, organisation
from enterprise.tests.helpers import block, charged, contract
from enterprise.tests.people import at_once, join, state
from enterprise.tests.test_member_pages import signed_in, text
from quotas.services import MetricSpec, metrics_sync, usage_consume

pytestmark = [pytest.mark.req("EN-10"), pytest.mark.django_db]

KEYS = "/organisation/keys/"
FORM = "0123456789abcdef0123456789abcdef"
BODY: dict[str, Any] = {
    "name": "till two",
    "scopes": ["product", "usage:read"],
    "lifetime": "30",
    "key": FORM,
}


def secret_of(answer: Any) -> str:
    (secret,) = set(re.findall(r"plr_test_\w{10}_\w{43}", answer.content.decode()))
    return secret


@pytest.mark.req("EN-2")
def test_made_shown_once_and_nowhere_else() -> None:
    metrics_sync([MetricSpec("api_calls", "API calls", "Appels d’API")])
    account, owner = organisation()
    client = signed_in(owner)
    answer = client.post(KEYS, BODY)
    secret = secret_of(answer)
    assert "no-store" in answer["Cache-Control"]
    credential = credential_authenticate(key=secret)
    assert (credential.account, credential.created_by, credential.name) == (account, owner, "till two")
    assert timedelta(days=29) < credential.expires_at - clock.now() <= timedelta(days=30)
    again = client.post(KEYS, BODY, follow=True)
    assert "shown only once" in text(again)
    assert Credential.objects.count() == 1, "the page loaded again makes none"
    for page in (again, client.get(KEYS), client.get("/organisation/")):
        assert secret not in page.content.decode()
        assert "till two" in text(page)
    kept = str([*AuditEntry.objects.values(), *[one.get_decoded() for one in Session.objects.all()]])
    assert secret not in kept


@pytest.mark.req("EN-2")
@pytest.mark.parametrize("scope", list(Scope))
def test_the_command_to_try_a_key_works_with_it(scope: Scope) -> None:
    metrics_sync([MetricSpec("api_calls", "API calls", "Appels d’API")])
    _account, owner = organisation()
    page = signed_in(owner).post(KEYS, BODY | {"scopes": [scope.value]}).content.decode()
    command = re.search(r'curl -s https?://[^/]+(/\S+) \\\s+-H "Authorization: (Bearer \w+)"', page)
    assert (command is not None) == (scope in keys_page.TRIES)
    if command is not None:
        answer = Client().get(command[1], HTTP_AUTHORIZATION=command[2])
        assert answer.status_code in (200, 402), "402: the organisation has no plan yet"


@pytest.mark.req("EN-2")
def test_a_form_pressed_twice_at_once_makes_one_key(committed_db: None) -> None:
    """Whoever comes second waits for the first, and is told that its answer had the key."""
    account, owner = organisation()
    old = key_of(account, owner, Scope.PRODUCT)
    rotate = reverse("organisation_key_rotate", args=[old.credential.public_id])
    for path, body in ((KEYS, BODY), (rotate, {"overlap": "3600", "key": FORM[::-1]})):
        before = Credential.objects.count()
        answers = at_once(*[partial(signed_in(owner).post, path, body) for _ in range(4)])
        assert sorted(answer.status_code for answer in answers) == [200, 302, 302, 302]
        assert Credential.objects.count() == before + 1
    other, stranger = organisation()
    assert secret_of(signed_in(stranger).post(KEYS, BODY)), "another organisation's form is another one"
    assert Credential.objects.get(account=other).form_key == FORM


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "Give the key a name."),
        ({"name": "a\0b"}, "without hidden ones"),
        ({"name": "\u202egnp.exe"}, "without hidden ones"),
        ({"name": "x" * 81}, "80"),
        ({"scopes": []}, "Name at least one scope"),
        ({"scopes": ["everything"]}, "Name at least one scope"),
        ({"lifetime": "7"}, "Choose how long the key works."),
        ({"lifetime": ""}, "Choose how long the key works."),
    ],
)
def test_what_cannot_be_made(change: dict[str, Any], words: str) -> None:
    _account, owner = organisation()
    client = signed_in(owner)
    before = state()
    answer = client.post(KEYS, BODY | change)
    assert answer.status_code == 422
    assert words in text(answer)
    assert state() == before


@pytest.mark.req("EN-2")
def test_rotating_with_an_overlap() -> None:
    account, owner = organisation()
    holder = key_of(account, owner, Scope.PRODUCT)
    client = signed_in(owner)
    path = reverse("organisation_key_rotate", args=[holder.credential.public_id])
    assert "After 24 hours" in text(client.get(path))
    before = state()
    assert "Choose when the old key ends" in text(client.post(path, {"overlap": "5"}, follow=True))
    assert state() == before
    secret = secret_of(client.post(path, {"overlap": "3600", "key": FORM}))
    assert credential_authenticate(key=secret).rotated_from == holder.credential
    assert credential_authenticate(key=holder.secret).expires_at is not None
    assert "shown only once" in text(client.post(path, {"overlap": "3600", "key": FORM}, follow=True))
    assert Credential.objects.count() == 2


@pytest.mark.req("EN-2")
def test_revoking() -> None:
    account, owner = organisation()
    holder = key_of(account, owner)
    client = signed_in(owner)
    path = reverse("organisation_key_revoke", args=[holder.credential.public_id])
    assert "cannot be taken back" in text(client.get(path))
    assert "is revoked" in text(client.post(path, follow=True))
    with pytest.raises(InvalidApiKey):
        credential_authenticate(key=holder.secret)
    assert "1 key that has ended" in text(client.get(KEYS))
    rotate = reverse("organisation_key_rotate", args=[holder.credential.public_id])
    assert "This key has ended" in text(client.get(rotate))
    assert "This key has ended" in text(client.post(rotate, {"overlap": "0"}, follow=True))


@pytest.mark.req("EN-1", "EN-2")
def test_what_a_developer_may() -> None:
    account, owner = organisation()
    mighty = key_of(account, owner, name="mighty")
    client = signed_in(join(account, Role.DEVELOPER))
    page = text(client.get(KEYS))
    assert "billing:write" not in page.split("What it may do")[1]
    assert "Rotate<span" not in page, "what they could not have made they do not rotate"
    before = state()
    assert client.post(KEYS, BODY | {"scopes": ["billing:write"]}).status_code == 403
    path = reverse("organisation_key_rotate", args=[mighty.credential.public_id])
    assert client.post(path, {"overlap": "0"}).status_code == 403
    assert state() == before
    assert secret_of(client.post(KEYS, BODY))


@pytest.mark.req("EN-1", "EN-2")
@pytest.mark.parametrize("role", [Role.BILLING, Role.VIEWER])
def test_who_only_looks(role: Role) -> None:
    account, owner = organisation()
    holder = key_of(account, owner)
    client = signed_in(join(account, role))
    page = text(client.get(KEYS))
    assert holder.credential.prefix in page
    assert "Make the key" not in page
    assert "Revoke" not in page
    before = state()
    answers = [client.post(KEYS, BODY)]
    for name in ("organisation_key_rotate", "organisation_key_revoke"):
        path = reverse(name, args=[holder.credential.public_id])
        answers += [client.get(path), client.post(path, {"overlap": "0"})]
    assert {answer.status_code for answer in answers} == {403}
    assert state() == before


@pytest.mark.req("EN-11")
def test_foreign_keys_are_as_unknown_ones() -> None:
    _account, owner = organisation()
    foreign = key_of(*organisation())
    client = signed_in(owner)
    before = state()
    for name in ("organisation_key_rotate", "organisation_key_revoke"):
        for one in (foreign.credential.public_id, "00000000-0000-4000-8000-000000000000"):
            path = reverse(name, args=[one])
            assert client.get(path).status_code == 404
            assert client.post(path, {"overlap": "0"}).status_code == 404
    assert foreign.credential.prefix not in text(client.get(KEYS))
    assert state() == before


# Contracts ----------------------------------------------------------------------------------------------------------

CONTRACT = "/organisation/contract/"


@pytest.fixture
def client() -> Any:
    metrics_sync([MetricSpec("api_calls", "API calls", "Appels d’API")])
    account, owner = organisation()
    one = signed_in(owner)
    one.account = account
    return one


def test_no_contract(client: Any) -> None:
    assert "No contract" in text(client.get(CONTRACT))
    assert "No limits, so no calls" in text(client.get("/organisation/")) or "Your plan" in text(
        client.get("/organisation/")
    )


@pytest.mark.req("EN-1")
def test_a_contract_with_its_amendments(client: Any) -> None:
    now = clock.database_now()
    one = contract(client.account, block(1000), charged(20_000, "1.25", "month"), title="Year one")
    contract_amend(contract=one, limits=[block(2000)], ends_at=None, actor=None, reason="more", now=now)
    contract_amend(
        contract=one,
        limits=[LimitTerms("api_calls", "day", 100, "overage", Decimal(2))],
        ends_at=now + timedelta(days=20),
        effective_at=now + timedelta(days=5),
        actor=None,
        reason="less",
        now=now,
    )
    page = text(client.get(CONTRACT))
    assert "Year one" in page
    assert "in force" in page
    assert "to come" in page
    assert "was 1,000 a day" in page
    assert "20,000 a month, then $0.0125 each" in page
    assert "no longer limited" in page
    assert "$0.02 each" in page
    current = page.split("Amendments")[0]
    assert "2,000 a day" in current
    assert "100 a day" not in current.replace("2,000 a day", "")
    assert "ends on" in text(client.get("/organisation/"))


@pytest.mark.req("EN-1")
def test_ended_and_coming_contracts(client: Any) -> None:
    now = clock.database_now()
    old = contract(client.account, block(10), title="Old", starts_at=now - timedelta(days=9))
    contract_amend(contract=old, ends_at=now, actor=None, reason="over", now=now)
    page = text(client.get("/organisation/"))
    assert "The contract ended on" in page or "Your plan" in page
    page = text(client.get(CONTRACT))
    assert "No contract in force" in page
    assert "Contracts that have ended" in page
    contract(client.account, block(20), title="New", starts_at=now + timedelta(days=3))
    page = text(client.get(CONTRACT))
    assert "begins on" in page
    assert page.index("New") < page.index("Old")
    assert "New begins on" in text(client.get("/organisation/"))


@pytest.mark.req("EN-11")
def test_nothing_of_anothers_contract(client: Any) -> None:
    other, _owner = organisation("Somebody else")
    contract(other, block(77_077), title="Secret terms")
    for path in (CONTRACT, "/organisation/"):
        page = text(client.get(path))
        assert "Secret terms" not in page
        assert "77,077" not in page


def test_a_page_without_its_figures_says_so(client: Any, monkeypatch: Any) -> None:
    from common.errors import ServiceUnavailable
    from enterprise.pages import overview

    def away(**_: Any) -> None:
        raise ServiceUnavailable

    monkeypatch.setattr(overview, "usage_summary", away)
    answer = client.get("/organisation/")
    assert answer.status_code == 200
    assert "What was used cannot be shown right now." in text(answer)


# Use ----------------------------------------------------------------------------------------------------------------


def used(holder: Any, units: int) -> None:
    usage_consume(
        account_id=holder.account.pk, metric="api_calls", units=units, credential_id=holder.credential.pk
    )


@pytest.mark.req("EN-10", "AC-4", "EN-11")
def test_use_by_key_on_the_page_and_as_files(metered: Any) -> None:
    """A viewer sees every key's figures, and nothing of another organisation's."""
    contract(metered.account, block(1000))
    second = metered.another(Scope.PRODUCT, name="till two")
    stranger = key_of(*organisation(), name="of somebody else")
    contract(stranger.account, block(100_000))
    used(metered, 30)
    used(second, 12)
    used(stranger, 55_555)
    client = signed_in(join(metered.account, Role.VIEWER))
    for path in ("/organisation/use/", "/organisation/"):
        page = text(client.get(path))
        assert "till two" in page
        assert "42" in page
        assert "55,555" not in page  # with its comma, which neither an id nor a token has
        assert "of somebody else" not in page
    rows = b"".join(client.get("/organisation/use/shown.csv").streaming_content).decode().splitlines()
    told = {row.split(",")[2]: int(row.split(",")[3]) for row in rows[1:] if row.split(",")[3] != "0"}
    assert told == {"main": 30, "till two": 12}
    rows = b"".join(client.get("/organisation/use/operations.csv").streaming_content).decode().splitlines()
    assert len(rows) == 3
    one = f"/organisation/use/?credential={second.credential.public_id}"
    assert client.get(one).status_code == 200
    foreign = f"/organisation/use/?credential={stranger.credential.public_id}"
    unknown = "/organisation/use/?credential=00000000-0000-4000-8000-000000000000"
    assert [client.get(path).status_code for path in (foreign, unknown)] == [422, 422]
