"""Damage done by hand in the database: found, named, and mended by the very command that the finding names."""

import io
import re

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from billing.books import entitlements_are_the_plans
from billing.gateways.client import api
from billing.models import OverageCharge, Subscription
from billing.tests.conftest import person
from billing.tests.helpers import ask, subscription
from billing.tests.stores import credits_of, spend, store
from common.books import verify_all
from common.clock import database_now
from common.models import AuditEntry
from quotas.models import LedgerEntry
from quotas.services import usage_consume, wallet_grant

pytestmark = pytest.mark.req("OP-4", "QU-4", "BI-7", "CR-1")

COMMAND = re.compile(r"\(manage\.py ([^)]+)\)")


def by_hand(statement: str, **values: object) -> None:
    """As a superuser in a shell of the database: no trigger looks."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement, values)
        assert cursor.rowcount > 0, "there was nothing to damage"


def named_in(finding: str) -> list[str]:
    found = COMMAND.search(finding)
    assert found is not None, finding
    return found[1].split()


def run(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command(*arguments, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


def ledger(account) -> list[tuple]:
    rows = LedgerEntry.objects.filter(account=account).order_by("id")
    return list(
        rows.values_list("id", "kind", "units", "overage_units", "balance_units", "grant_id", "record_id")
    )


@pytest.fixture
def account(trading):
    """An organisation with credits, some spent, and one unit past them."""
    account = store("starter")
    for number, units in enumerate((30, 40, 31)):
        spend(account, units, key=f"work-{number}")
    assert usage_consume(account_id=person().pk, metric="messages", units=2).allowed
    assert verify_all() == []
    return account


OF = "account_id = %(account)s"
DAMAGES = {
    "a bucket": f"UPDATE quotas_bucket SET used_units = used_units - 1 WHERE {OF}",
    "a rollup": f"UPDATE quotas_usageday SET units = units + 3, hour_units[1] = hour_units[1] + 3 WHERE {OF}",
    "a rollup lost": f"DELETE FROM quotas_usageday WHERE {OF}",
    "a ledger row: what it moved": f"UPDATE quotas_ledgerentry SET units = units - 7 WHERE {OF} AND kind = 'use' AND units = -40",
    "a ledger row: its balance": f"UPDATE quotas_ledgerentry SET balance_units = 69 WHERE {OF} AND kind = 'use' AND units = -30",
    "a ledger row lost": f"DELETE FROM quotas_ledgerentry WHERE {OF} AND units = -40",
    "the last ledger row lost": f"DELETE FROM quotas_ledgerentry WHERE {OF} AND units = -30 AND balance_units = 0",
    "the grant's row lost": f"DELETE FROM quotas_ledgerentry WHERE {OF} AND kind = 'grant'",
    "the overage's row lost": f"DELETE FROM quotas_ledgerentry WHERE {OF} AND kind = 'overage'",
    "the wallet's row lost": f"DELETE FROM quotas_wallet WHERE {OF}",
    "the wallet": f"UPDATE quotas_wallet SET balance_units = 12 WHERE {OF}",
    "a grant": f"UPDATE quotas_grant SET remaining_units = 12 WHERE {OF}",
    "what a unit costs": f"UPDATE quotas_entitlement SET credits_per_unit = 3 WHERE {OF}",
    "the limits": f"DELETE FROM quotas_entitlement WHERE {OF}",
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_verify_books_finds_is_mended_by_the_command_it_names(account, name):
    before, credits_before = ledger(account), credits_of(account)
    by_hand(DAMAGES[name], account=account.pk)
    findings = verify_all()
    assert findings, name
    assert all(f"account {account.pk}" in finding for finding in findings)
    assert run("verify_books")[0] == 1
    command = named_in(findings[0])
    run(*command, "--dry-run")
    assert verify_all() == findings, "a dry run changes nothing"
    assert run(*command)[0] == 0
    assert verify_all() == []
    assert credits_of(account) == credits_before
    strip = [(kind, units, past, balance) for _, kind, units, past, balance, _, _ in ledger(account)]
    assert sorted(strip) == sorted(
        (kind, units, past, balance) for _, kind, units, past, balance, _, _ in before
    )
    if "mend_ledger" in command:
        assert AuditEntry.objects.filter(account_id=account.pk, action="ledger.mended").exists()


def test_limits_that_are_to_come(trading):
    account = person()
    ask(account, "premium")
    ask(account, "basic")  # at the period's end
    by_hand(
        f"UPDATE quotas_entitlement SET limit_units = 9999 WHERE {OF} AND valid_from > %(now)s",
        account=account.pk,
        now=database_now(),
    )
    (finding,) = verify_all()
    assert run("reconcile", "--account", str(account.pk))[0] == 1
    assert run(*named_in(finding))[0] == 0
    assert verify_all() == []


def test_the_ledger_is_append_only_again_afterwards(account):
    by_hand(DAMAGES["a ledger row: what it moved"], account=account.pk)
    assert run("mend_ledger", "--account", str(account.pk))[0] == 0
    with pytest.raises(IntegrityError), transaction.atomic():
        LedgerEntry.objects.filter(account=account).update(units=1)


@pytest.mark.broken_books
def test_what_the_books_do_not_determine_is_left_to_a_person(account):
    by_hand(
        f"UPDATE quotas_ledgerentry SET units = units - 1, balance_units = 5 WHERE {OF} AND units = -40",
        account=account.pk,
    )
    before = ledger(account)
    code, said = run("mend_ledger", "--account", str(account.pk))
    assert code == 1
    assert "for a person" in said
    assert ledger(account) == before


@pytest.mark.broken_books
def test_a_price_that_nobody_knows_any_more_is_not_guessed(account):
    wallet_grant(
        account_id=account.pk, source="support", units=5, request_id="more", reason="more", now=database_now()
    )
    assert usage_consume(account_id=account.pk, metric="generations", units=5).allowed
    by_hand(f"DELETE FROM quotas_ledgerentry WHERE {OF} AND units = -5", account=account.pk)
    by_hand(f"DELETE FROM quotas_entitlement WHERE {OF}", account=account.pk)
    before = ledger(account)
    code, said = run("mend_ledger", "--account", str(account.pk))
    assert (code, "no right says its price" in said) == (1, True), said
    assert ledger(account) == before


def test_all_accounts_at_once_and_nobody_unknown(account):
    by_hand(DAMAGES["the wallet"], account=account.pk)
    assert run("mend_ledger", "--all")[0] == 0
    assert verify_all() == []
    with pytest.raises(CommandError, match="no account"):
        call_command("mend_ledger", account="nobody@palier.test")


def status_changed(account):
    Subscription.objects.filter(account=account, ended_at=None).update(status="past_due", access="grace")


def webhook_lost(account):
    """It was cancelled at Stripe, and nobody told us."""
    api().subscriptions.cancel(subscription(account).stripe_subscription_id)


@pytest.mark.parametrize(
    ("damage", "plan"),
    [(status_changed, "premium"), (webhook_lost, "free")],
    ids=["a status", "a lost webhook"],
)
def test_what_the_reconciler_finds_is_mended_by_itself(trading, damage, plan):
    account = person()
    ask(account, "premium")
    damage(account)
    code, said = run("reconcile", "--account", str(account.pk))
    assert code == 1
    assert "status_differs" in said
    assert "can be mended" in said
    assert run("reconcile", "--account", str(account.pk), "--mend", "--dry-run")[0] == 1
    assert run("reconcile", "--account", str(account.pk), "--mend")[0] == 0
    assert run("reconcile", "--account", str(account.pk))[0] == 0
    assert subscription(account).plan.code == plan
    assert verify_all() == []


def test_many_subscriptions_cost_no_more_questions_than_few(trading):
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert list(entitlements_are_the_plans()) == []
        return len(queries)

    ask(person(), "premium")
    few = asked()
    for _ in range(3):
        ask(person(), "premium")
    assert asked() == few


CHARGES = {
    "a charge lost": "DELETE FROM billing_overagecharge",
    "a charge called failed": "UPDATE billing_overagecharge SET status = 'failed'",
}


@pytest.mark.req("CR-6")
@pytest.mark.broken_books
@pytest.mark.parametrize("name", CHARGES)
def test_use_that_nobody_is_charged_for_is_found_and_left_to_a_person(account, name):
    by_hand(CHARGES[name])
    (finding,) = verify_all()
    assert "1 units past the credits" in finding
    assert finding.endswith(f"manage.py reconcile --account {account.pk})")
    before = ledger(account)
    code, said = run("reconcile", "--account", str(account.pk), "--mend")
    assert (code, "overage_item_differs" in said, "for a person" in said) == (1, True, True)
    assert ledger(account) == before


@pytest.mark.req("CR-6")
def test_an_items_name_is_mended_and_an_item_that_is_gone_is_told(account, stand_in):
    charge = OverageCharge.objects.get()
    OverageCharge.objects.update(stripe_item_id="ii_another")
    assert run("reconcile", "--account", str(account.pk))[0] == 1
    assert run("reconcile", "--account", str(account.pk), "--mend")[0] == 0
    assert OverageCharge.objects.get().stripe_item_id == charge.stripe_item_id
    api().invoice_items.delete(charge.stripe_item_id)
    code, said = run("reconcile", "--account", str(account.pk), "--mend")
    assert (code, f"{charge.amount_minor} usd here, none at Stripe: for a person" in said) == (1, True)
