"""API keys: what they look like, who they let in, and how they end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.tests.factories import bearer, make_person
from common import clock
from common.models import AuditEntry
from enterprise.enums import Scope
from enterprise.models import Credential
from enterprise.rules import keys
from enterprise.services import credential_authenticate, credential_revoke, credential_rotate
from enterprise.tests.conftest import Holder, key_of, organisation
from enterprise.tests.helpers import move_clock

pytestmark = pytest.mark.req("EN-2")

PATH = "/v1/b2b/credentials"
A_DAY = 86_400  # the window of a limit, which does not end while a test looks


def state() -> list:
    return list(Credential.objects.order_by("id").values())


def refused(answer, code: str, status: int = 401) -> dict:
    assert answer.status_code == status, answer.content
    error = answer.json()["error"]
    assert error["code"] == code
    return error["details"]


def test_form():
    key = keys.compose(live=True, name=0, proof=2**256 - 1)
    assert key.prefix == "plr_live_0000000000"
    assert keys.parse(key.text) == key
    assert len(key.text.removeprefix(key.prefix + "_")) == 43
    assert key.text not in repr(key)


@pytest.mark.parametrize(
    "text", ["", "plr_", "plr_test_", "plr_test_0000000000_", "é" * 60, "plr_prod_" + "0" * 54]
)
def test_what_is_no_key(text):
    assert keys.parse(text) is None


def test_only_the_hash_is_kept(holder: Holder):
    (row,) = state()
    assert bytes(row["secret_hash"]) == keys.parse(holder.secret).digest
    assert all(holder.secret not in str(value) for value in row.values())
    proof = holder.secret.removeprefix(row["prefix"])
    assert all(proof not in str(entry) for entry in AuditEntry.objects.values())


def test_made_once_shown_once(holder: Holder):
    answer = holder.client.post(
        PATH, {"name": "  till   two ", "scopes": ["usage:write", "usage:write"]}, "json"
    )
    assert answer.status_code == 201
    made = answer.json()["data"]
    assert made["name"] == "till two"
    assert made["scopes"] == ["usage:write"]
    assert made["secret"].startswith(made["prefix"] + "_")
    assert (made["status"], made["expires_at"], made["last_used_at"]) == ("active", None, None)
    assert credential_authenticate(key=made["secret"]).name == "till two"
    listed = holder.client.get(PATH).json()["data"]
    assert [one["name"] for one in listed] == ["till two", "main"]
    assert all("secret" not in one for one in listed)
    entry = AuditEntry.objects.get(action="credential.created", subject=made["prefix"])
    assert (entry.account_id, entry.actor_label) == (holder.account.pk, f"key {holder.credential.prefix}")


def send_again(holder: Holder, path: str, body: dict, key: str = "same"):
    return holder.client.post(path, body, "json", HTTP_IDEMPOTENCY_KEY=key)


def test_an_idempotency_key_makes_one_key_and_keeps_no_secret(holder: Holder):
    body = {"name": "a", "scopes": ["usage:read", "product"]}
    first = send_again(holder, PATH, body).json()["data"]
    told = {name: first[name] for name in ("id", "name", "prefix")}
    before = len(state())
    for again in (body, body | {"scopes": ["product", "usage:read"]}):
        details = refused(send_again(holder, PATH, again), "key_made_already", 409)
        assert details == {"credential": told}
    for other in ({"name": "b"}, {"scopes": ["product"]}, {"expires_at": "2100-01-01T00:00:00Z"}):
        refused(send_again(holder, PATH, body | other), "idempotency_key_reused", 422)
    refused(send_again(holder, PATH, body, key="é"), "validation_error", 422)
    assert len(state()) == before
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM common_idempotencyrecord")
        assert cursor.fetchone() == (0,)
    assert send_again(holder.another(), PATH, body).status_code == 201, "another API key's is another"
    assert credential_authenticate(key=first["secret"]).name == "a"


def test_an_idempotency_key_rotates_once(holder: Holder):
    path = f"{PATH}/{holder.another().credential.public_id}/rotate"
    body = {"overlap_s": 60}
    made = send_again(holder, path, body)
    assert made.status_code == 201
    before = state()
    details = refused(send_again(holder, path, body), "key_made_already", 409)
    assert details["credential"]["id"] == made.json()["data"]["id"]
    assert [row | {"last_used_at": None} for row in state()] == [
        row | {"last_used_at": None} for row in before
    ]
    assert send_again(holder, path, body, key="another").status_code == 201


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": "", "scopes": ["product"]}, "name"),
        ({"name": " \t ", "scopes": ["product"]}, "name"),
        ({"name": "x" * 81, "scopes": ["product"]}, "name"),
        ({"name": "a\u0000b", "scopes": ["product"]}, "name"),
        ({"name": 7, "scopes": ["product"]}, "name"),
        ({"name": "a", "scopes": []}, "scopes"),
        ({"name": "a", "scopes": "product"}, "scopes"),
        ({"name": "a", "scopes": ["everything"]}, "scopes.0"),
        ({"name": "a", "scopes": [None]}, "scopes.0"),
        ({"name": "a", "scopes": ["product"] * 6}, "scopes"),
        ({"name": "a", "scopes": ["product"], "expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "a", "scopes": ["product"], "expires_at": "9999-12-31T23:59:59Z"}, "expires_at"),
        ({"name": "a", "scopes": ["product"], "expires_at": "tomorrow"}, "expires_at"),
        ({"name": "a", "scopes": ["product"], "expires_at": 5}, "expires_at"),
        ({"name": "a", "scopes": ["product"], "account": 1}, "account"),
    ],
)
def test_bad_requests_make_nothing(holder: Holder, body, field):
    before = state()
    answer = holder.client.post(PATH, body, "json")
    if answer.status_code == 400:
        assert field == "name"
        assert "\\u0000" in answer.wsgi_request.body.decode()
    else:
        details = refused(answer, "validation_error", 422)
        assert field in [one["field"] for one in details["fields"]]
    assert [row | {"last_used_at": None} for row in state()] == [
        row | {"last_used_at": None} for row in before
    ]


def test_a_key_hands_on_no_more_than_it_has(holder: Holder):
    small = holder.another(Scope.CREDENTIALS_WRITE, Scope.USAGE_READ)
    details = refused(
        small.client.post(PATH, {"name": "a", "scopes": ["product", "usage:read"]}, "json"),
        "scope_missing",
        403,
    )
    assert details == {"required": ["product"], "scopes": ["credentials:write", "usage:read"]}
    refused(
        small.client.post(f"{PATH}/{holder.credential.public_id}/rotate", {}, "json"), "scope_missing", 403
    )
    assert Credential.objects.count() == 2
    assert Credential.objects.filter(expires_at=None).count() == 2


def test_too_many_keys(holder: Holder, monkeypatch):
    monkeypatch.setattr("enterprise.services.credentials.MOST_ACTIVE", 2)
    other = holder.another()
    body = {"name": "a", "scopes": ["product"]}
    refused(holder.client.post(PATH, body, "json"), "validation_error", 422)
    credential_revoke(
        account_id=holder.account.pk,
        credential_id=other.credential.public_id,
        actor=None,
        now=clock.database_now(),
    )
    assert holder.client.post(PATH, body, "json").status_code == 201


class TestWhoIsLetIn:
    def test_either_header(self, holder: Holder):
        assert APIClient().get(PATH, HTTP_X_API_KEY=holder.secret).status_code == 200
        assert APIClient().get(PATH, HTTP_AUTHORIZATION=f"bearer {holder.secret}").status_code == 200
        both = {"HTTP_X_API_KEY": holder.secret, "HTTP_AUTHORIZATION": f"Bearer {holder.secret}"}
        assert APIClient().get(PATH, **both).status_code == 200

    def test_none(self, holder: Holder):
        refused(APIClient().get(PATH), "not_authenticated")

    @pytest.mark.parametrize(
        ("headers", "reason"),
        [
            ({"HTTP_AUTHORIZATION": "Basic abc"}, "malformed"),
            ({"HTTP_AUTHORIZATION": "Bearer"}, "malformed"),
            ({"HTTP_AUTHORIZATION": "Bearer plr_test_x"}, "malformed"),
            ({"HTTP_AUTHORIZATION": "Bearer eyJhbGciOi.x.y"}, "other_kind"),
            ({"HTTP_X_API_KEY": ""}, "malformed"),
            ({"HTTP_X_API_KEY": "plr_test_0000000000_" + "0" * 43}, "unknown"),
            (
                {"HTTP_X_API_KEY": "plr_test_0000000000_" + "0" * 43, "HTTP_AUTHORIZATION": "Bearer plr_a"},
                "two_keys",
            ),
        ],
    )
    def test_no_key(self, db, headers, reason):
        assert refused(APIClient().get(PATH, **headers), "invalid_api_key") == {"reason": reason}

    def test_another_proof(self, holder: Holder):
        wrong = holder.secret[:-1] + ("0" if holder.secret[-1] != "0" else "1")
        assert refused(APIClient().get(PATH, HTTP_X_API_KEY=wrong), "invalid_api_key") == {
            "reason": "unknown"
        }
        assert Credential.objects.get().last_used_at is None

    def test_a_person_is_not(self, holder: Holder):
        answer = APIClient().get(PATH, **bearer(make_person()))
        assert refused(answer, "invalid_api_key") == {"reason": "other_kind"}

    def test_a_key_is_no_persons_token(self, holder: Holder):
        refused(holder.client.get("/v1/account/settings"), "invalid_credentials")
        refused(APIClient().get("/v1/account/settings", HTTP_X_API_KEY=holder.secret), "not_authenticated")

    def test_expiry_goes_by_the_databases_clock(self, holder: Holder):
        short = holder.another(Scope.CREDENTIALS_WRITE, expires_at=clock.database_now() + timedelta(hours=1))
        assert short.client.get(PATH).status_code == 200
        move_clock(timedelta(hours=1))
        assert refused(short.client.get(PATH), "invalid_api_key") == {"reason": "expired"}

    def test_failures_are_in_the_trail_once_a_minute(self, holder: Holder):
        for _ in range(5):
            APIClient().get(PATH, HTTP_X_API_KEY=holder.secret[:-2] + "zz")
        (entry,) = AuditEntry.objects.filter(action="credential.refused")
        assert (entry.account_id, entry.subject) == (holder.account.pk, holder.credential.prefix)
        assert entry.data == {"reason": "unknown", "times": 1}

    def test_guessing_is_limited(self, holder: Holder, settings):
        settings.RATE_LIMITS = settings.RATE_LIMITS | {"api_key_failures": (f"3/{A_DAY}", "ip")}
        codes = [
            APIClient().get(PATH, HTTP_X_API_KEY=holder.secret[:-2] + "zz").json()["error"]["code"]
            for _ in range(5)
        ]
        assert codes == ["invalid_api_key"] * 3 + ["rate_limited"] * 2
        assert holder.client.get(PATH).status_code == 200


class TestScopes:
    def test_missing(self, holder: Holder):
        small = holder.another(Scope.USAGE_READ)
        details = refused(small.client.get(PATH), "scope_missing", 403)
        assert details == {"required": "credentials:write", "scopes": ["usage:read"]}


class TestRotation:
    def rotate(self, holder: Holder, body=None, credential=None):
        return holder.client.post(
            f"{PATH}/{(credential or holder.credential).public_id}/rotate", body or {}, "json"
        )

    def test_both_work_during_the_overlap(self, holder: Holder):
        answer = self.rotate(holder, {"overlap_s": 3600})
        assert answer.status_code == 201
        made = answer.json()["data"]
        assert made["rotated_from"] == str(holder.credential.public_id)
        assert (made["name"], made["scopes"]) == ("main", sorted(Scope.values))
        assert holder.client.get(PATH).status_code == 200
        assert APIClient().get(PATH, HTTP_X_API_KEY=made["secret"]).status_code == 200
        move_clock(timedelta(hours=1))
        assert refused(holder.client.get(PATH), "invalid_api_key") == {"reason": "expired"}
        assert APIClient().get(PATH, HTTP_X_API_KEY=made["secret"]).status_code == 200

    def test_without_overlap_the_old_one_ends_at_once(self, holder: Holder):
        made = self.rotate(holder).json()["data"]
        refused(holder.client.get(PATH), "invalid_api_key")
        assert APIClient().get(PATH, HTTP_X_API_KEY=made["secret"]).status_code == 200

    def test_an_overlap_never_lengthens_a_life(self, holder: Holder):
        ends = clock.database_now() + timedelta(minutes=5)
        short = holder.another(*Scope.values, expires_at=ends)
        made = self.rotate(holder, {"overlap_s": 3600}, short.credential).json()["data"]
        assert Credential.objects.get(pk=short.credential.pk).expires_at == ends
        lifetime = Credential.objects.get(public_id=made["id"])
        assert lifetime.expires_at - lifetime.created_at == ends - short.credential.created_at

    @pytest.mark.parametrize("overlap", [-1, 604_801, 2**63, 1.5, "60", True])
    def test_overlaps_that_are_none(self, holder: Holder, overlap):
        refused(self.rotate(holder, {"overlap_s": overlap}), "validation_error", 422)
        assert Credential.objects.get().expires_at is None

    def test_what_has_ended_has_no_successor(self, holder: Holder):
        other = holder.another()
        credential_revoke(
            account_id=holder.account.pk,
            credential_id=other.credential.public_id,
            actor=None,
            now=clock.database_now(),
        )
        refused(self.rotate(holder, {}, other.credential), "validation_error", 422)
        assert Credential.objects.count() == 2


class TestRevocation:
    def test_at_once_and_twice_is_once(self, holder: Holder):
        other = holder.another()
        path = f"{PATH}/{other.credential.public_id}/revoke"
        first = holder.client.post(path, {}, "json").json()["data"]
        assert first["status"] == "revoked"
        assert refused(other.client.get(PATH), "invalid_api_key") == {"reason": "revoked"}
        assert holder.client.post(path, {}, "json").json()["data"] == first
        assert AuditEntry.objects.filter(action="credential.revoked").count() == 1

    def test_a_key_may_end_itself(self, holder: Holder):
        answer = holder.client.post(f"{PATH}/{holder.credential.public_id}/revoke", {}, "json")
        assert answer.status_code == 200
        refused(holder.client.get(PATH), "invalid_api_key")

    def test_the_database_lets_nobody_bring_one_back(self, holder: Holder):
        credential_revoke(
            account_id=holder.account.pk,
            credential_id=holder.credential.public_id,
            actor=None,
            now=clock.database_now(),
        )
        for change in (
            {"revoked_at": None},
            {"secret_hash": bytes(32)},
            {"scopes": ["product"]},
            {"account_id": 1},
        ):
            with pytest.raises(DatabaseError), transaction.atomic():
                Credential.objects.update(**change)


@pytest.mark.req("EN-11")
def test_foreign_keys_are_unknown(holder: Holder):
    stranger = key_of(*organisation())
    before = state()
    for action in ("rotate", "revoke"):
        foreign = stranger.client.post(f"{PATH}/{holder.credential.public_id}/{action}", {}, "json")
        unknown = stranger.client.post(f"{PATH}/00000000-0000-4000-8000-000000000000/{action}", {}, "json")
        refused(foreign, "not_found", 404)
        for answer in (foreign, unknown):
            answer.told = answer.json()["error"] | {"request_id": ""}
        assert foreign.told == unknown.told
    assert [row | {"last_used_at": None} for row in state()] == [
        row | {"last_used_at": None} for row in before
    ]
    assert [one["id"] for one in stranger.client.get(PATH).json()["data"]] == [
        str(stranger.credential.public_id)
    ]


class TestLastUse:
    def test_written_once_a_minute(self, holder: Holder):
        holder.client.get(PATH)
        first = Credential.objects.get().last_used_at
        assert first is not None
        with CaptureQueriesContext(
            connection,
        ) as asked:
            holder.client.get(PATH)
        assert not [query for query in asked if "UPDATE" in query["sql"]]
        assert Credential.objects.get().last_used_at == first
        move_clock(timedelta(minutes=1))
        holder.client.get(PATH)
        assert Credential.objects.get().last_used_at > first

    def test_one_question_recognises_a_key(self, holder: Holder):
        credential_authenticate(key=holder.secret)
        with CaptureQueriesContext(connection) as asked:
            assert credential_authenticate(key=holder.secret).account.name == holder.account.name
        assert len(asked) == 1


@pytest.mark.req("EN-8")
def test_three_rate_limits(holder: Holder, settings):
    settings.RATE_LIMITS = settings.RATE_LIMITS | {
        "b2b_account": (f"5/{A_DAY}", "account"),
        "b2b_credential": (f"3/{A_DAY}", "credential"),
    }
    answers = [holder.client.get(PATH) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert f'"b2b_credential";q=3;w={A_DAY}' in answers[0]["RateLimit-Policy"]
    assert '"b2b_account";r=4;' in answers[0]["RateLimit"]
    limit = refused(answers[3], "rate_limited", 429)
    assert limit["limit"] == "b2b_credential"
    assert answers[3]["Retry-After"] == str(limit["retry_after_s"])
    other = holder.another()
    found = [other.client.get(PATH) for _ in range(2)]
    assert found[0].status_code == 200
    assert refused(found[1], "rate_limited", 429)["limit"] == "b2b_account"
    assert key_of(*organisation()).client.get(PATH).status_code == 200


def test_rotating_as_a_person_is_written_with_their_role(holder: Holder):
    credential_rotate(
        account_id=holder.account.pk,
        credential_id=holder.credential.public_id,
        actor=holder.owner,
        overlap_s=60,
        now=clock.database_now(),
    )
    entry = AuditEntry.objects.get(action="credential.rotated")
    assert (entry.actor_id, entry.data["overlap_s"]) == (holder.owner.pk, 60)
