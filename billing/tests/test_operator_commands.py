"""What operators do from a shell, by the services of the product itself."""

import io
import json
import stat

import pytest
from django.core.management import CommandError, call_command

from billing.models import PlanChange
from billing.tests.conftest import person
from billing.tests.helpers import fault, no_faults, subscription
from billing.tests.stores import store
from common.clock import database_now
from common.errors import NotAuthenticated
from common.models import AuditEntry
from enterprise.enums import Scope
from enterprise.models import Credential
from enterprise.services import credential_authenticate, credential_create

pytestmark = pytest.mark.req("OP-4")


def run(name, *arguments, **options):
    out = io.StringIO()
    call_command(name, *arguments, stdout=out, json=True, **options)
    return json.loads(out.getvalue())


def change(account, plan, **options):
    asked = {"account": str(account.pk), "plan": plan, "reason": "asked by letter", "key": "letter 7"}
    return run("change_plan", **(asked | options))


def test_a_plan_is_changed_once(catalog):
    account = person()
    would = change(account, "premium", dry_run=True)
    assert would["due_now"]["amount_minor"] == 2000
    assert subscription(account).plan.code == "free"
    done = [change(account, "premium") for _ in range(2)]
    assert done[0] == done[1]
    assert (done[0]["status"], done[0]["charged_minor"]) == ("applied", 2000)
    assert subscription(account).plan.code == "premium"
    assert PlanChange.objects.filter(account=account).count() == 1
    assert AuditEntry.objects.filter(action="operator.plan_change", reason="asked by letter").count() == 2


def test_refusals_say_why_and_change_nothing(catalog):
    account = person(card="pm_card_chargeCustomerFail")
    with pytest.raises(CommandError, match="payment_failed"):
        change(account, "premium")
    with pytest.raises(CommandError, match="invalid_target_plan"):
        change(account, "gold", key="letter 8")
    assert subscription(account).plan.code == "free"


def test_stripe_away_has_a_code_of_its_own(catalog):
    account = person()
    fault(catalog, path="/v1/subscriptions", method="POST", effect="error_before", times=50)
    with pytest.raises(CommandError) as caught:
        change(account, "premium")
    assert caught.value.returncode == 2
    no_faults(catalog)


@pytest.mark.req("EN-2")
def test_a_key_is_rotated(catalog):
    account = store("starter")
    made = credential_create(
        account=account, name="Leaked", scopes=[Scope.PRODUCT], actor=None, now=database_now()
    )
    why = {"reason": "found in a log"}
    assert run("rotate_key", made.credential.prefix, dry_run=True, **why)["status"] == "active"
    assert credential_authenticate(key=made.secret).pk == made.credential.pk
    told = run("rotate_key", made.credential.prefix, **why)
    assert credential_authenticate(key=told["key"]).name == "Leaked"
    with pytest.raises(NotAuthenticated):
        credential_authenticate(key=made.secret)
    for wrong in (made.credential.prefix, "plr_test_none"):
        with pytest.raises(CommandError):
            run("rotate_key", wrong, **why)
    assert Credential.objects.filter(account=account).count() == 2
    trail = AuditEntry.objects.get(action="credential.rotated")
    assert (trail.actor_label, trail.reason) == ("operator", "found in a log")


@pytest.mark.req("EN-2")
@pytest.mark.parametrize("overlap", [-1, 604801, 10**18])
@pytest.mark.parametrize("dry_run", [True, False])
def test_a_dry_run_refuses_what_the_run_would(catalog, overlap, dry_run):
    made = credential_create(
        account=store(None), name="One", scopes=[Scope.PRODUCT], actor=None, now=database_now()
    )
    with pytest.raises(CommandError, match="overlap_s"):
        run("rotate_key", made.credential.prefix, overlap=overlap, reason="why so", dry_run=dry_run)
    assert Credential.objects.count() == 1


@pytest.mark.parametrize("given", [{"reason": " "}, {"key": ""}, {"key": "k" * 65}, {"reason": "r" * 201}])
def test_money_is_not_moved_without_a_reason_and_a_name(catalog, given):
    account = person()
    with pytest.raises(CommandError):
        change(account, "premium", **given)
    with pytest.raises(CommandError):
        run("grant", **({"account": str(account.pk), "units": "5", "reason": "sorry", "key": "1"} | given))
    assert subscription(account).plan.code == "free"
    assert not AuditEntry.objects.filter(action__in=("operator.plan_change", "wallet.adjusted")).exists()


@pytest.mark.req("QU-9")
def test_what_is_not_known_is_said(catalog):
    account = person()
    for asked in (
        {"account": "nobody@palier.test", "metric": "messages"},
        {"account": str(account.pk), "metric": "nonsense"},
    ):
        with pytest.raises(CommandError) as caught:
            run("explain", **asked)
        assert caught.value.returncode == 2
    with pytest.raises(CommandError):
        call_command("explain", f"--account={account.pk}", "--metric=messages", "--units=-5")


@pytest.mark.req("AC-3")
def test_a_persons_data_is_written_for_its_owner_only(catalog, tmp_path):
    account, file = person(), tmp_path / "export.json"
    email = account.personal_owner.email
    call_command("export_account", email.upper(), str(file), reason="asked by letter", stdout=io.StringIO())
    assert email in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert AuditEntry.objects.filter(action="personal_data.exported", reason="asked by letter").count() == 1
    for address, target in ((email, file), ("nobody@palier.test", tmp_path / "b.json")):
        with pytest.raises(CommandError):
            call_command("export_account", address, str(target), reason="asked by letter")
    assert not (tmp_path / "b.json").exists()
