"""A contract's room for things that exist: what no longer fits is put away, by itself, and comes back."""

from datetime import timedelta

import pytest

from common import outbox
from common.clock import database_now
from enterprise.rules.contracts import LimitTerms
from enterprise.services import contract_amend, contract_end
from enterprise.tests.conftest import organisation
from enterprise.tests.helpers import contract, move_clock
from showcase import keeping
from showcase.models import Persona

pytestmark = pytest.mark.req("EN-1", "PC-5")


def room(units):
    return LimitTerms("personas", "capacity", units)


def kept(account):
    outbox.run_due(now=database_now())
    return Persona.objects.filter(account=account, archived_at__isnull=True).count()


@pytest.fixture
def three(trading):
    """An organisation without a plan that has three things, by a contract with room for them."""
    account, _owner = organisation()
    agreed = contract(account, room(3))
    for number in range(3):
        keeping.persona_create(account=account, name=f"P{number}", traits={}, now=database_now())
    return account, agreed


def test_less_room_puts_away_and_more_brings_back(three):
    account, agreed = three
    for units, left in ((2, 2), (3, 3)):
        contract_amend(
            contract=agreed,
            limits=[room(units)],
            ends_at=None,
            actor=None,
            reason="as agreed",
            now=database_now(),
        )
        assert kept(account) == left


def test_its_end_to_come_is_kept_to_when_nobody_says_anything(three):
    account, agreed = three
    now = database_now()
    contract_end(contract=agreed, at=now + timedelta(hours=2), actor=None, reason="as agreed", now=now)
    assert kept(account) == 3
    move_clock(timedelta(hours=3))
    assert kept(account) == 0, "nothing else gives the right to any"
    assert Persona.objects.filter(account=account).count() == 3, "nothing is deleted"
