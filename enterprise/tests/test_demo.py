"""The demo's organisations and their keys."""

from __future__ import annotations

import json
import stat

import pytest
from django.core.management import call_command

from accounts.models import Account, AccountKind, Membership, Role, User
from accounts.selectors import account_of_user
from billing.selectors import live_subscription
from billing.services import payment_methods_list
from common.clock import database_now
from enterprise.enums import Scope
from enterprise.models import Credential
from enterprise.services import credential_authenticate
from quotas.models import LedgerEntry
from quotas.wallet_selectors import wallet_status

pytestmark = [pytest.mark.req("EN-1", "EN-2"), pytest.mark.slow]

NAMES = {"acme", "globex", "starter", "growth", "dry"}


def test_each_has_an_owner_and_a_key_that_stays(travel, tmp_path, capsys):
    file = tmp_path / "keys.json"
    call_command("seed_demo", keys_file=file)
    keys = json.loads(file.read_text())
    assert set(keys) == NAMES
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for name, key in keys.items():
        credential = credential_authenticate(key=key)
        owner = User.objects.get(email=f"{name}@palier.test")
        assert owner.check_password("palier-demo")
        assert account_of_user(owner) == credential.account
        assert credential.scopes == sorted(Scope.values)
        assert Membership.objects.get(account=credential.account).role == Role.OWNER
    capsys.readouterr()
    call_command("seed_demo", keys_file=file)
    assert capsys.readouterr().out == ""
    assert json.loads(file.read_text()) == keys
    assert Account.objects.filter(kind=AccountKind.ORGANISATION).count() == len(NAMES)


def test_a_lost_key_is_replaced_and_revoked(travel, tmp_path):
    file = tmp_path / "keys.json"
    call_command("seed_demo", keys_file=file)
    before = json.loads(file.read_text())
    file.write_text(json.dumps(before | {"acme": "plr_test_lost"}))
    call_command("seed_demo", keys_file=file)
    after = json.loads(file.read_text())
    assert after["acme"] != before["acme"]
    assert {name: after[name] for name in NAMES - {"acme"}} == {
        name: before[name] for name in NAMES - {"acme"}
    }
    ended = Credential.objects.get(revoked_at__isnull=False)
    assert before["acme"].startswith(ended.prefix)


def test_without_a_file_no_keys_are_made(travel):
    call_command("seed_demo")
    assert not Credential.objects.exists()
    assert Account.objects.filter(kind=AccountKind.ORGANISATION).count() == len(NAMES)


@pytest.mark.req("CR-1", "CR-2", "CR-4")
def test_stores_have_plans_and_credits_and_dry_has_none(travel, capsys):
    call_command("seed_demo")
    now = database_now()

    def of(name):
        return account_of_user(User.objects.get(email=f"{name}@palier.test"))

    standing = {
        name: (
            live_subscription(of(name).pk).plan.code,
            wallet_status(account_id=of(name).pk, at=now).balance_units,
        )
        for name in ("starter", "growth", "dry")
    }
    assert standing == {"starter": ("starter", 100), "growth": ("growth", 500), "dry": ("growth", 0)}
    taken = LedgerEntry.objects.get(account=of("dry"), kind="adjustment")
    assert (taken.units, taken.reason) == (-500, "demo: an account that has used up its credits")
    assert all(payment_methods_list(account=of(name))[1] for name in standing), "each has a card on file"
    capsys.readouterr()
    call_command("seed_demo")
    assert capsys.readouterr().out == ""
