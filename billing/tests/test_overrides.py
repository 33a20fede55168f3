"""Support raises a limit for some time: the next call feels it, the customer sees it, and it ends by itself."""

import io
import json
import uuid
from datetime import timedelta

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from accounts.admin.roles import roles_install
from accounts.models import Notification, User
from billing.enums import Access
from billing.services.entitlements import subscription_entitle
from billing.services.overrides import limit_raise, limit_raise_end
from billing.tests.conftest import person
from billing.tests.helpers import ask, messages_limit, subscription
from common import outbox
from common.books import verify_all
from common.clock import database_now
from common.errors import IdempotencyKeyReused, NotFound, ValidationError
from common.models import AuditEntry
from quotas.explain import explain
from quotas.models import Bucket, Entitlement
from quotas.selectors import quota_status
from quotas.services import LimitSpec, Phase, entitlements_replace, usage_consume
from quotas.tests.test_races import at_once
from showcase import keeping
from showcase.models import Persona
from tests.admin.test_roles import client_of

pytestmark = pytest.mark.req("QU-14", "OP-1")


def raised(account, limit=20, *, metric="messages", window="day", until=None, key="ticket-1", **more):
    now = database_now()
    return limit_raise(
        account=account,
        metric=metric,
        window=window,
        limit_units=limit,
        until=until or now + timedelta(days=2),
        reason="a launch that support promised",
        actor="test",
        request_id=key,
        now=now,
        **more,
    )


def consume(account, times):
    return [usage_consume(account_id=account.pk, metric="messages").allowed for _ in range(times)]


def on_record(account):
    return list(
        AuditEntry.objects.filter(account_id=account.pk, action__startswith="limit.")
        .order_by("at")
        .values_list("action", flat=True)
    )


def test_the_next_call_has_more_room_and_what_was_used_counts(trading):
    account = person()
    assert consume(account, 6) == [True] * 5 + [False]
    raised(account, 8)
    assert consume(account, 4) == [True] * 3 + [False]
    (bound,) = quota_status(account_id=account.pk, metric="messages")
    assert (bound.limit, bound.used, bound.source, bound.remaining) == (8, 8, "override", 0)
    assert bound.until is not None


def test_it_is_over_by_itself_and_nothing_more_passes(travel):
    account = person()
    raised(account, 8, until=database_now() + timedelta(minutes=30))
    assert consume(account, 7) == [True] * 7
    travel.by(minutes=31, sweep=False)
    assert messages_limit(account) == 5
    (bound,) = quota_status(account_id=account.pk, metric="messages")
    if bound.used:  # the day may have turned meanwhile
        assert (bound.used, bound.remaining) == (7, 0)
        assert consume(account, 1) == [False]
    assert verify_all() == []


def test_it_can_be_taken_back_before(trading):
    account = person()
    raised(account, 8)
    assert consume(account, 6) == [True] * 6
    now = database_now()
    limit_raise_end(
        account=account, metric="messages", window="day", reason="by mistake", actor="test", now=now
    )
    assert consume(account, 1) == [False]
    assert messages_limit(account) == 5
    with pytest.raises(NotFound):
        limit_raise_end(
            account=account, metric="messages", window="day", reason="by mistake", actor="test", now=now
        )
    assert on_record(account) == ["limit.raised", "limit.raise_ended"]
    assert verify_all() == []


def test_a_better_plan_is_not_held_back_by_it(trading):
    account = person()
    raised(account, 60)
    ask(account, "basic")
    assert messages_limit(account) == 60, "more than the 50 of the plan"
    ask(account, "premium")
    assert messages_limit(account) == 1000
    assert on_record(account) == ["limit.raised", "limit.raise_outgrown"]


def test_it_ends_with_the_limit_that_it_raised(trading):
    """A contract's limit on what the plan does not have: without the contract there is nothing to raise."""
    account, now = person(), database_now()

    def contract(*limits):
        entitlements_replace(
            account_id=account.pk,
            source="contract",
            source_ref="c",
            timeline=[Phase(now, None, limits)] if limits else [],
            now=database_now(),
        )

    contract(LimitSpec("exports", "day", 2))
    raised(account, 9, metric="exports")
    raised(account, 8, key="ticket-2")
    assert usage_consume(account_id=account.pk, metric="exports", units=3).allowed
    contract()
    assert usage_consume(account_id=account.pk, metric="exports").refusal == "feature_not_in_plan"
    assert on_record(account) == ["limit.raised", "limit.raised", "limit.raise_lapsed"]
    assert messages_limit(account) == 8, "the other one stays"


def test_it_stays_where_a_limit_only_falls(trading):
    account = person()
    ask(account, "basic")
    raised(account, 60)

    def entitle(access):
        held = subscription(account)
        held.access = access
        with transaction.atomic():
            subscription_entitle(account_id=account.pk, subscription=held, scheduled=None, now=database_now())

    entitle(Access.DEGRADED)
    plan = Entitlement.objects.filter(account=account, source="plan", metric__code="messages")
    assert plan.latest("id").limit_units == 5, "as without a paid plan"
    assert messages_limit(account) == 60
    entitle(Access.FULL)
    assert on_record(account) == ["limit.raised"]


def test_given_again_it_takes_the_place_of_the_first(trading):
    account = person()
    raised(account, 8)
    raised(account, 7, key="ticket-2")
    assert messages_limit(account) == 7
    assert (
        Entitlement.objects.filter(account=account, source="override", valid_until__gt=database_now()).count()
        == 1
    )


def test_sent_twice_it_is_given_once(trading):
    account = person()
    until = database_now() + timedelta(days=1)
    assert raised(account, 8, until=until) == raised(account, 8, until=until)
    with pytest.raises(IdempotencyKeyReused):
        raised(account, 9, until=until)
    assert messages_limit(account) == 8
    assert Notification.objects.filter(account=account, template="limit_raised").count() == 1


def test_two_at_once_leave_one_in_force(trading):
    account = person()
    at_once(4, lambda n: raised(account, 10 + n, key=f"ticket-{n}"))
    in_force = Entitlement.objects.filter(account=account, source="override", valid_until__gt=database_now())
    assert in_force.count() == 1
    assert messages_limit(account) == in_force.get().limit_units
    assert consume(account, in_force.get().limit_units + 1)[-2:] == [True, False]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"limit": 5}, "limit_units"),
        ({"limit": 0}, "limit_units"),
        ({"limit": -3}, "limit_units"),
        ({"limit": 10**30}, "limit_units"),
        ({"limit": True}, "limit_units"),
        ({"metric": "exports", "window": "month"}, "limit"),
        ({"window": "hour"}, "limit"),
        ({"until": "past"}, "until"),
        ({"until": "far"}, "until"),
        ({"reason": "no"}, "reason"),
        ({"reason": "a\0b and more"}, "reason"),
        ({"reason": "x" * 201}, "reason"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_moves(catalog, changes, field):
    account, now = person(), database_now()
    untils = {"past": now, "far": now + timedelta(days=367)}
    asked = {
        "account": account,
        "metric": "messages",
        "window": "day",
        "limit_units": changes.get("limit", 20),
        "until": now + timedelta(days=1),
        "reason": "because it must",
        "actor": "test",
        "request_id": "ticket",
        "now": now,
    } | {name: value for name, value in changes.items() if name != "limit"}
    if isinstance(asked["until"], str):
        asked["until"] = untils[asked["until"]]
    with pytest.raises(ValidationError) as refused:
        limit_raise(**asked)
    assert refused.value.details["fields"][0]["field"] == field
    assert not Entitlement.objects.filter(account=account, source="override").exists()
    assert on_record(account) == []
    assert not Notification.objects.filter(template="limit_raised").exists()


def test_stored_things_come_back_and_are_put_away_at_the_end(travel):
    account = person()
    raised(account, 3, metric="personas", window="capacity", until=database_now() + timedelta(hours=2))
    for number in range(3):
        keeping.persona_create(account=account, name=f"P{number}", traits={}, now=database_now())
    assert Persona.objects.filter(account=account, archived_at__isnull=True).count() == 3
    travel.by(hours=3)
    outbox.run_due(now=database_now())
    assert Persona.objects.filter(account=account, archived_at__isnull=True).count() == 1
    assert Persona.objects.filter(account=account).count() == 3, "nothing is deleted"
    assert verify_all() == []


@pytest.mark.broken_books
def test_a_period_keeps_its_bounds(trading):
    """A limit per billing period, of a contract's kind (there is no contract, which the books miss): the raised one counts
    in the same window.
    """
    account, now = person(), database_now()
    spec = LimitSpec("exports", "period", 2, anchor_at=now - timedelta(days=3), period_months=1)
    entitlements_replace(
        account_id=account.pk,
        source="contract",
        source_ref="c",
        timeline=[Phase(now, None, (spec,))],
        now=now,
    )
    usage_consume(account_id=account.pk, metric="exports", units=2)
    raised(account, 4, metric="exports", window="period")
    assert usage_consume(account_id=account.pk, metric="exports").allowed
    bucket = Bucket.objects.get(account=account, metric__code="exports")
    assert (bucket.used_units, bucket.starts_at) == (3, now - timedelta(days=3))


class TestDesk:
    @pytest.fixture
    def staff(self, catalog):
        roles_install(apps.get_model)
        user = User.objects.create_user(f"{uuid.uuid4().hex}@staff.test", None, is_staff=True)
        user.groups.set(apps.get_model("auth", "Group").objects.filter(name="support"))
        return user

    def do(self, staff, account, act, **values):
        values = {"once": str(uuid.uuid4()), "reason": "the customer asked"} | values
        return client_of(staff).post(f"/admin/accounts/account/{account.pk}/do/{act}/", values)

    def raise_it(self, staff, account, **more):
        until = f"{database_now() + timedelta(days=3):%Y-%m-%dT%H:%M}"
        asked = {"limit": "messages/day", "limit_units": "40", "until": until} | more
        return self.do(staff, account, "raise-limit", **asked)

    def test_from_the_desk_to_the_customers_page_and_the_story(self, staff, client):
        account, once = person(), str(uuid.uuid4())
        for _ in range(2):
            assert self.raise_it(staff, account, once=once).status_code == 302
        assert messages_limit(account) == 40
        assert on_record(account) == ["limit.raised"]
        story = client_of(staff).get(f"/admin/accounts/account/{account.pk}/change/").content.decode()
        assert "limit.raised" in story
        assert "the customer asked" in story
        assert "Take a raised limit back" in story
        page = client_of(account.personal_owner).get("/account/").content.decode()
        assert "Raised by our support" in page
        told = Notification.objects.get(user=account.personal_owner, template="limit_raised")
        assert told.context["reason"] == "the customer asked"

    def test_explain_names_it(self, staff):
        account = person()
        self.raise_it(staff, account)
        found = explain(account_id=account.pk, metric="messages", units=1, at=database_now())
        counted = {one["source"]: one["counts"] for one in found["entitlements"]}
        assert counted == {"override": True, "plan": False}
        assert found["bounds"][0]["source"] == "override"

    def test_taken_back_at_the_desk(self, staff):
        account = person()
        assert self.do(staff, account, "end-raised-limit", limit="messages/day").status_code == 422
        self.raise_it(staff, account)
        assert self.do(staff, account, "end-raised-limit", limit="messages/day").status_code == 302
        assert messages_limit(account) == 5

    @pytest.mark.parametrize(
        "wrong",
        [
            {"limit": "messages/hour"},
            {"limit": "x"},
            {"limit_units": "5"},
            {"limit_units": ""},
            {"until": "2001-01-01T00:00"},
            {"until": "soon"},
            {"reason": " "},
        ],
    )
    def test_wrong_input_is_said_at_the_form(self, staff, wrong):
        account = person()
        assert self.raise_it(staff, account, **wrong).status_code == 422
        assert messages_limit(account) == 5


@pytest.mark.req("OP-4")
class TestCommand:
    def run(self, account, **options):
        out = io.StringIO()
        asked = {"metric": "messages", "window": "day", "reason": "as promised", "json": True} | options
        call_command("override", account=str(account.pk), stdout=out, **asked)
        return json.loads(out.getvalue())

    def test_raise_dry_then_wet_then_end(self, catalog):
        account, until = person(), database_now() + timedelta(days=1)
        assert self.run(account, limit=9, until=until, dry_run=True)["dry_run"]
        assert messages_limit(account) == 5
        assert on_record(account) == []
        for _ in range(2):
            assert self.run(account, limit=9, until=until, key="ticket 7")["limit"] == 9
        assert messages_limit(account) == 9
        assert on_record(account) == ["limit.raised"]
        assert self.run(account, end=True)["limit"] is None
        assert messages_limit(account) == 5

    def test_what_cannot_be(self, catalog):
        account = person()
        with pytest.raises(CommandError, match="limit_units"):
            self.run(account, limit=1, until=database_now() + timedelta(days=1))
        with pytest.raises(CommandError, match="Say --limit"):
            self.run(account)
        with pytest.raises(CommandError, match="not_found"):
            self.run(account, end=True)
        assert messages_limit(account) == 5


@pytest.mark.req("OP-4", "CR-1")
def test_credits_by_command(catalog):
    account, out = person(), io.StringIO()
    asked = {
        "account": str(account.pk),
        "reason": "as promised",
        "key": "ticket 9",
        "json": True,
        "stdout": out,
    }
    call_command("grant", units=7, dry_run=True, **asked)
    for _ in range(2):
        call_command("grant", units=7, **asked)
    told = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(one["units"], one["balance_units"], one["dry_run"]) for one in told] == [
        (7, 7, True),
        (7, 7, False),
        (7, 7, False),
    ]
    with pytest.raises(CommandError, match="units"):
        call_command("grant", units=-8, **(asked | {"key": "ticket 10"}))
    with pytest.raises(CommandError, match="expires_at"):
        call_command("grant", units=1, expires=database_now(), **(asked | {"key": "ticket 11"}))
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(units) FROM quotas_ledgerentry")
        assert cursor.fetchone() == (7,)
