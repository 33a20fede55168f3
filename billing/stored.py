"""What an account has stored under a capacity metric. The product knows; it registers here, billing only asks.

A provider answers for its metric: every stored thing that counts, the one to be kept longest first, as
`{"id": str, "name": str}`.
"""

from collections.abc import Callable, Sequence
from typing import TypedDict


class StoredThing(TypedDict):
    id: str
    name: str


Provider = Callable[[int], Sequence[StoredThing]]

_providers: dict[str, Provider] = {}


def register(metric: str, provider: Provider) -> None:
    """`provider(account_id)` lists what is stored under `metric`."""
    _providers[metric] = provider


def stored_things(account_id: int, metric: str) -> Sequence[StoredThing]:
    """Empty for a metric that nobody registered."""
    provider = _providers.get(metric)
    return provider(account_id) if provider else ()
