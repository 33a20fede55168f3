"""Who holds what about a person: told in an export, ended before a deletion, erased by it.

An app registers itself in a module `personal`; a table that holds personal data and is not named there is found by
the test that reads every table after a deletion.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.module_loading import autodiscover_modules

from accounts.models import Account, User


@dataclass(frozen=True, slots=True)
class Person:
    """Whom it is about: a person, and the account that is theirs alone (None for staff)."""

    user: User
    account: Account | None


@dataclass(frozen=True, slots=True)
class Holder:
    """One app's part.

    export: what is kept about the person, as JSON has it.
    lost: sentences for the page that asks for confirmation, of what ends or goes.
    end: what must have ended before anything is erased; outside of transactions, may be called again after a crash.
    erase: removes or pseudonymises, within the transaction of the deletion.
    """

    name: str
    export: Callable[[Person], Any]
    erase: Callable[[Person, datetime], None]
    end: Callable[[Person, datetime], None] | None = None
    lost: Callable[[Person], Sequence[str]] | None = None


_holders: dict[str, Holder] = {}


def register(holder: Holder) -> None:
    assert holder.name not in _holders, f"two holders named {holder.name}"
    _holders[holder.name] = holder


def holders() -> list[Holder]:
    """All of them; the apps further up first, since they refer to those below."""
    autodiscover_modules("personal")
    return list(reversed(_holders.values()))


def person(user: User) -> Person:
    return Person(user, Account.objects.filter(personal_owner=user).first())
