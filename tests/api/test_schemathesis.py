"""What operations answer is what the description says they answer, also to odd questions.

All that read, and those that change something without another service: the account's, signing in, an organisation's
keys and the meter.
"""

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from accounts import tokens
from accounts.tests.factories import make_person
from common import openapi
from config.wsgi import application
from enterprise.tests.conftest import key_of, organisation
from enterprise.tests.helpers import charged, contract
from quotas.engine.meter import meter
from quotas.services import MetricSpec, metrics_sync

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.req("PC-7", "EN-6")]

EXAMPLES = 8
# What is well-formed may still be refused, as for want of a subscription; and the token here is a real one.
NOT_CHECKED = [positive_data_acceptance, ignored_auth]


SELF_CONTAINED = ("/v1/auth/", "/v1/account/", "/v1/b2b/usage/", "/v1/b2b/credentials")
B2B = "/v1/b2b/"


def operations() -> list[Any]:
    schema = schemathesis.openapi.from_dict(json.loads(openapi.document()))
    schema.app = application
    found = [operation.ok() for operation in schema.get_all_operations() if isinstance(operation, Ok)]
    return [one for one in found if one.method == "get" or one.path.startswith(SELF_CONTAINED)]


def person() -> dict[str, str]:
    """A token, with its holder."""
    return {"Authorization": f"Bearer {tokens.issue(make_person()).access}"}


def key() -> dict[str, str]:
    """An organisation's key with all scopes, under a contract that charges past ten units."""
    metrics_sync([MetricSpec("api_calls", "API calls", "Appels d’API")])
    holder = key_of(*organisation())
    contract(holder.account, charged(10))
    # By both ways, so that no key that was made up stands beside it.
    return {"Authorization": f"Bearer {holder.secret}", "X-Api-Key": holder.secret}


def callers() -> list[Any]:
    """Each operation asked by who it is for, by a stranger, and by the other kind of caller where it is refused."""
    return [
        pytest.param(one, who, id=f"{who}-{one.method}-{one.path}")
        for one in operations()
        for who in (["key", "person", "stranger"] if one.path.startswith(B2B) else ["person", "stranger"])
    ]


@pytest.mark.parametrize(("operation", "who"), callers())
def test_answers_are_as_described(operation: Any, who: str) -> None:
    headers = {"key": key, "person": person, "stranger": dict}[who]()
    signed_in = who != "stranger"

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        response = case.call(headers=headers)
        case.validate_response(response, excluded_checks=NOT_CHECKED)
        assert response.status_code < 500
        if not signed_in and operation.definition.raw.get("security"):
            assert response.status_code == 401
        if who == "key":
            assert response.status_code != 401

    try:
        ask()
    finally:
        meter.close()
