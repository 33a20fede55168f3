"""Who is let in on the B2B routes, and what belongs to another organisation does not exist there.

Generated from the URLconf: a new route is asked as every other, and one with an id nobody thought of here fails.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.urls import URLResolver, get_resolver
from rest_framework.test import APIClient

from accounts.tests.factories import bearer, make_person
from common import clock
from common.models import AuditEntry, IdempotencyRecord
from enterprise.enums import Scope
from enterprise.models import Credential
from enterprise.services import credential_revoke
from enterprise.tests.conftest import Holder, key_of, organisation
from enterprise.tests.helpers import block, contract
from quotas.models import Reservation, UsageRecord
from quotas.services import MetricSpec, metrics_sync, usage_reserve
from showcase.enums import GenerationState
from showcase.models import Chart, Generation

METHODS = ("get", "post", "put", "patch", "delete")
NOBODYS_UUID = "00000000-0000-4000-8000-000000000000"


def reserved(holder: Holder) -> str:
    """A reservation that is open: to anybody else it does not exist."""
    metrics_sync([MetricSpec("api_calls", "API calls", "Appels d’API")])
    contract(holder.account, block(10))
    return str(usage_reserve(account_id=holder.account.pk, metric="api_calls", units=3).reservation_id)


def ordered(holder: Holder) -> str:
    """A generation with one drawing."""
    now = clock.database_now()
    job = Generation.objects.create(
        account=holder.account,
        prompt="x",
        count=1,
        chart_at=now,
        requested_at=now,
        tried_at=now,
        state=GenerationState.REVERSING,
    )
    Chart.objects.create(generation=job, number=1, at=now, svg="<svg/>")
    return str(job.pk)


# For each parameter of a route: how to make a thing of the holder's and tell its id, and an id that nobody has.
IDS: dict[str, tuple[Callable[[Holder], str], str]] = {
    "reservation_id": (reserved, NOBODYS_UUID),
    "credential_id": (
        lambda holder: str(holder.another(name="asked for").credential.public_id),
        NOBODYS_UUID,
    ),
    "generation_id": (ordered, NOBODYS_UUID),
    "number": (lambda _holder: "1", "1"),
}
# Bodies that the routes' own validation lets through, so that the id is what is refused.
BODIES: dict[str, dict[str, Any]] = {}


def routes(patterns: Any = None, prefix: str = "") -> Any:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        elif route.startswith("v1/b2b/"):
            yield route, pattern.callback.cls


OPERATIONS = [
    (route, method, view) for route, view in routes() for method in METHODS if hasattr(view, method)
]
NAMES = [f"{method}-{route}" for route, method, _ in OPERATIONS]


def ask(client: APIClient, method: str, route: str, ids: dict[str, str], **headers: str) -> Any:
    path = "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: ids[found[1]], route)
    return getattr(client, method)(
        path, BODIES.get(route, {}), "json" if method != "get" else None, **headers
    )


def told(answer: Any) -> tuple[int, Any]:
    error = answer.json()["error"]
    assert error.pop("request_id") == answer["X-Request-Id"]
    return answer.status_code, error


def everything() -> list[Any]:
    """What a refused call must not have moved: what was counted, kept or changed; a key's last use aside."""
    keys = [row | {"last_used_at": None} for row in Credential.objects.order_by("id").values()]
    kept = [
        list(model.objects.order_by("pk").values()) for model in (UsageRecord, Reservation, IdempotencyRecord)
    ]
    return [keys, kept, AuditEntry.objects.exclude(action="credential.refused").count()]


def nobody(holder: Holder) -> dict[str, str]:
    return {}


def wrong(holder: Holder) -> dict[str, str]:
    return {"HTTP_X_API_KEY": holder.secret[:-3] + "000"}


def expired(holder: Holder) -> dict[str, str]:
    other = holder.another(expires_at=clock.database_now() + timedelta(hours=1))
    Credential.objects.filter(pk=other.credential.pk).update(expires_at=other.credential.created_at)
    return {"HTTP_X_API_KEY": other.secret}


def revoked(holder: Holder) -> dict[str, str]:
    other = holder.another()
    credential_revoke(
        account_id=holder.account.pk,
        credential_id=other.credential.public_id,
        actor=None,
        now=clock.database_now(),
    )
    return {"HTTP_AUTHORIZATION": f"Bearer {other.secret}"}


def person(holder: Holder) -> dict[str, str]:
    return bearer(make_person())


def malformed(holder: Holder) -> dict[str, str]:
    return {"HTTP_AUTHORIZATION": f"Basic {holder.secret}"}


def two(holder: Holder) -> dict[str, str]:
    return {"HTTP_AUTHORIZATION": f"Bearer {holder.secret}", "HTTP_X_API_KEY": holder.another().secret}


REFUSED = {
    nobody: ("not_authenticated", None),
    wrong: ("invalid_api_key", "unknown"),
    expired: ("invalid_api_key", "expired"),
    revoked: ("invalid_api_key", "revoked"),
    person: ("invalid_api_key", "other_kind"),
    malformed: ("invalid_api_key", "malformed"),
    two: ("invalid_api_key", "two_keys"),
}


def test_there_are_routes() -> None:
    assert len(OPERATIONS) >= 20


@pytest.mark.req("EN-2", "EN-6")
@pytest.mark.parametrize("who", REFUSED, ids=lambda who: who.__name__)
@pytest.mark.parametrize(("route", "method", "view"), OPERATIONS, ids=NAMES)
def test_without_a_key_that_counts(db: None, route: str, method: str, view: Any, who: Any) -> None:
    holder = key_of(*organisation())
    headers = who(holder)
    ids = {name: unknown for name, (_, unknown) in IDS.items()}
    before = everything()
    status, error = told(ask(APIClient(), method, route, ids, HTTP_IDEMPOTENCY_KEY="k", **headers))
    code, reason = REFUSED[who]
    assert (status, error["code"]) == (401, code)
    assert error["details"] == ({"reason": reason} if reason else {})
    assert everything() == before


@pytest.mark.req("EN-2")
@pytest.mark.parametrize(("route", "method", "view"), OPERATIONS, ids=NAMES)
def test_without_the_scope(db: None, route: str, method: str, view: Any) -> None:
    holder = key_of(*organisation())
    required = view.scopes[method]
    lacking = holder.another(*[scope for scope in Scope if scope != required])
    ids = {name: unknown for name, (_, unknown) in IDS.items()}
    before = everything()
    status, error = told(ask(lacking.client, method, route, ids, HTTP_IDEMPOTENCY_KEY="k"))
    assert (status, error["code"]) == (403, "scope_missing")
    assert error["details"] == {"required": required, "scopes": sorted(lacking.credential.scopes)}
    assert everything() == before


WITH_IDS = [one for one in OPERATIONS if "<" in one[0]]


@pytest.mark.req("EN-11")
@pytest.mark.parametrize(
    ("route", "method", "view"), WITH_IDS, ids=[f"{method}-{route}" for route, method, _ in WITH_IDS]
)
def test_foreign_is_unknown(committed_db: None, route: str, method: str, view: Any) -> None:
    owner, stranger = key_of(*organisation()), key_of(*organisation())
    parameters = re.findall(r"<(?:\w+:)?(\w+)>", route)
    missing = set(parameters) - set(IDS)
    assert not missing, f"say in IDS how to make one for {missing}"
    own = {name: IDS[name][0](owner) for name in parameters}
    unknown = {name: IDS[name][1] for name in parameters}
    before = everything()
    foreign = told(ask(stranger.client, method, route, own))
    assert foreign == told(ask(stranger.client, method, route, unknown))
    assert (foreign[0], foreign[1]["code"]) == (404, "not_found")
    assert everything() == before
