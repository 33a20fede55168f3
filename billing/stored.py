"""What an account has stored under a capacity metric. The product knows; it registers here, billing only asks.

Where a plan has less room than is stored, the excess is archived: kept, but not in use and not counted. With more room
it comes back. Which goes first and which comes back first, the product's store declares by the order of its lists.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypedDict


class StoredThing(TypedDict):
    id: str
    name: str


class Store(Protocol):
    """The stored things of one metric. All verbs may be repeated, by several at once too."""

    def in_use(self, account_id: int) -> Sequence[StoredThing]:
        """Everything that counts, the one to be kept longest first."""

    def archived(self, account_id: int) -> Sequence[StoredThing]:
        """Everything put away, the one to come back first, first."""

    def archive(self, account_id: int, ids: Sequence[str], now: datetime) -> int:
        """Put these away and give their units back to the meter; how many were in use until now."""

    def restore(self, account_id: int, id_: str, now: datetime) -> bool:
        """Bring one back into use, counted by the meter first; False when there is no room or no such thing."""


_stores: dict[str, Store] = {}


def register(metric: str, store: Store) -> None:
    """`store` holds what is counted under `metric`."""
    _stores[metric] = store


def stores() -> Mapping[str, Store]:
    """Every store, by metric."""
    return _stores


def stored_things(account_id: int, metric: str) -> Sequence[StoredThing]:
    """What is in use; empty for a metric that nobody registered."""
    store = _stores.get(metric)
    return store.in_use(account_id) if store else ()
