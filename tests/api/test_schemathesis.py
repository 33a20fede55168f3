"""What operations answer is what the description says they answer, also to odd questions.

All that read, and those that change something without another service: the account's and signing in.
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

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.req("PC-7", "EN-6")]

EXAMPLES = 8
# What is well-formed may still be refused, as for want of a subscription; and the token here is a real one.
NOT_CHECKED = [positive_data_acceptance, ignored_auth]


SELF_CONTAINED = ("/v1/auth/", "/v1/account/")


def operations() -> list[Any]:
    schema = schemathesis.openapi.from_dict(json.loads(openapi.document()))
    schema.app = application
    found = [operation.ok() for operation in schema.get_all_operations() if isinstance(operation, Ok)]
    return [one for one in found if one.method == "get" or one.path.startswith(SELF_CONTAINED)]


@pytest.mark.parametrize("operation", operations(), ids=lambda one: f"{one.method}-{one.path}")
@pytest.mark.parametrize("signed_in", [True, False], ids=["person", "stranger"])
def test_answers_are_as_described(operation: Any, signed_in: bool) -> None:
    headers = {"Authorization": f"Bearer {tokens.issue(make_person()).access}"} if signed_in else {}

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

    ask()
