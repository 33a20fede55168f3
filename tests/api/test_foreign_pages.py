"""What belongs to somebody else does not exist on pages either: a foreign id is answered as an unknown one.

Generated from the URLconf, so that a page with a parameter nobody thought of here fails.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLResolver, get_resolver

from accounts.models import Notification, User
from accounts.notifications import notify
from accounts.tests.factories import account_of
from billing import services
from billing.models import PlanChange
from billing.tests.conftest import _stand_in, person, stand_in, trading  # noqa: F401 - fixtures
from billing.tests.helpers import ask, state
from common.clock import database_now
from common.models import AuditEntry
from enterprise.tests.conftest import key_of, organisation
from enterprise.tests.people import invite, join, place
from showcase.models import Persona

pytestmark = [pytest.mark.req("EN-11"), pytest.mark.django_db]

NOBODYS_UUID = "00000000-0000-4000-8000-000000000000"
OTHERS_HAVE_THESE_TESTED = ("v1/", "api/", "admin/", "accounts/", "stripe/")
# Names of what is sold, and what whoever holds a link may open: nobody's own.
NOT_IDS = {"plan", "interval", "token"}
# What a page shows anew each time.
CHANGING = re.compile(
    r"csrfmiddlewaretoken\" value=\"\w+\"|name=\"key\" value=\"\w+\"|nonce=\"[^\"]+\"|\b[0-9a-f]{32}\b|#\w+"
)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def subscriber() -> User:
    """Somebody who pays for Basic."""
    account = person()
    ask(account, "basic")
    user = account.personal_owner
    assert user is not None
    return user


def an_invoice(owner: User, stand_in: Any) -> str:  # noqa: F811
    account = account_of(owner)
    account.refresh_from_db()
    found = [
        name
        for name, one in state(stand_in)["invoices"].items()
        if one["customer"] == account.stripe_customer_id
    ]
    return found[0]


def a_payment_method(owner: User, _stand_in: Any) -> str:  # noqa: F811
    methods, _default = services.payment_methods_list(account=account_of(owner))
    return methods[0].id


def a_withdrawal(owner: User, _stand_in: Any) -> str:  # noqa: F811
    made = services.withdrawal_make(
        account=account_of(owner), user=owner, request_id="req-of-the-test", now=database_now()
    )
    return str(made.pk)


def a_change(owner: User, _stand_in: Any) -> str:  # noqa: F811
    return str(PlanChange.objects.filter(account=account_of(owner)).latest("requested_at").pk)


def a_setup_intent(owner: User, _stand_in: Any) -> str:  # noqa: F811
    answer = signed_in(owner).post("/account/billing/card/enter/", {"key": "a" * 32})
    return answer["Location"].split("/card/")[1].split("/")[0]


def a_tax_id(owner: User, stand_in: Any) -> str:  # noqa: F811
    form = {"kind": "eu_vat", "value": "FR40303265045", "key": "b" * 32}
    assert signed_in(owner).post("/account/billing/details/tax-ids/", form).status_code == 302
    return services.billing_details(account=account_of(owner)).tax_ids[0].id


def a_notification(owner: User, _stand_in: Any) -> str:  # noqa: F811
    told = notify(
        kind="plan_changed",
        template="membership_ended",
        cause="x",
        context={"organisation": "X"},
        users=[owner],
        now=database_now(),
    )
    return str(told[0].pk)


def a_persona(owner: User, _stand_in: Any) -> str:  # noqa: F811
    made = Persona.objects.create(
        account=account_of(owner),
        name="Ada",
        traits="",
        created_at=database_now(),
        archived_at=database_now(),
    )
    return str(made.pk)


def with_an_organisation(make: Callable[[Any, User], Any]) -> Callable[[User, Any], str]:
    """Of an organisation that nobody else belongs to."""

    def made(_owner: User, _stand_in: Any) -> str:  # noqa: F811
        return str(make(*organisation()))

    return made


# What a page's own validation lets through, so that the id is what is refused.
FORMS = {"organisation/members/<int:membership_id>/role/": {"role": "viewer"}}
Maker = Callable[[User, Any], str]
# For each parameter: how to make a thing that is the owner's and tell its id, and an id that nobody has.
IDS: dict[str, tuple[Maker, str]] = {
    "invoice_id": (an_invoice, "in_nobodyhasthisone0000000"),
    "payment_method_id": (a_payment_method, "pm_nobodyhasthisone0000000"),
    "withdrawal_id": (a_withdrawal, NOBODYS_UUID),
    "change_id": (a_change, NOBODYS_UUID),
    "setup_intent_id": (a_setup_intent, "seti_nobodyhasthisone0000000"),
    "tax_id": (a_tax_id, "txi_nobodyhasthisone0000000"),
    "notification_id": (a_notification, NOBODYS_UUID),
    "persona_id": (a_persona, NOBODYS_UUID),
    "credential_id": (with_an_organisation(lambda *of: key_of(*of).credential.public_id), NOBODYS_UUID),
    "membership_id": (
        with_an_organisation(lambda account, _owner: place(account, join(account, "viewer")).pk),
        str(2**40),
    ),
    "invitation_id": (with_an_organisation(lambda *of: invite(*of).public_id), NOBODYS_UUID),
}


def routes(patterns: Any = None, prefix: str = "") -> Iterator[str]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        elif "<" in route and not route.startswith(OTHERS_HAVE_THESE_TESTED):
            yield route


def parameters(route: str) -> set[str]:
    return set(re.findall(r"<(?:\w+:)?(\w+)>", route)) - NOT_IDS


PAGES = [route for route in routes() if parameters(route)]


def told(client: Client, method: str, route: str, ids: dict[str, str]) -> tuple[int, str, str]:
    """Status, where it leads, and what it says, without what is new each time and without the ids themselves."""
    path = "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: ids[found[1]], route)
    answer = getattr(client, method)(path, FORMS.get(route, {}))
    said, leads = answer.content.decode().replace(answer["X-Request-Id"], ""), answer.get("Location", "")
    for one in ids.values():
        said, leads = said.replace(one, ""), leads.replace(one, "")
    return answer.status_code, leads, CHANGING.sub("", said)


def everything() -> list[Any]:
    """What a refused call must not have moved."""
    kept = [list(model.objects.order_by("pk").values()) for model in (Notification, Persona, PlanChange)]
    return [*kept, AuditEntry.objects.count()]


def test_there_are_pages() -> None:
    assert len(PAGES) >= 15


@pytest.mark.parametrize("route", PAGES)
def test_foreign_is_unknown(trading: Any, stand_in: Any, route: str) -> None:  # noqa: F811
    missing = parameters(route) - set(IDS)
    assert not missing, f"say in IDS how to make one for {missing}"
    owner, stranger = subscriber(), subscriber()
    _account, boss = organisation()
    own = {name: IDS[name][0](owner, stand_in) for name in parameters(route)}
    unknown = {name: IDS[name][1] for name in parameters(route)}
    client = signed_in(boss if route.startswith("organisation/") else stranger)
    before, at_stripe = everything(), state(stand_in)
    answers = {}
    for method in ("get", "post"):
        foreign = told(client, method, route, own)
        assert foreign == told(client, method, route, unknown), method
        answers[method] = foreign[0]
    assert set(answers.values()) <= {302, 404, 405}, answers  # 302: a form's address leads to its page
    assert answers["post"] in {404, 405}, answers
    assert 404 in answers.values(), answers
    assert everything() == before
    assert state(stand_in) == at_stripe
