"""The account's API keys as the page of use names them. Who has keys registers where their names are; persons have none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Key:
    """`id` is what records carry, `public_id` what addresses do."""

    id: int
    public_id: UUID
    name: str


Provider = Callable[[int], Sequence[Key]]

_providers: list[Provider] = []


def register(provider: Provider) -> None:
    """`provider(account_id)` gives the account's keys, in the order to show them in."""
    if provider not in _providers:
        _providers.append(provider)


def keys_of(account_id: int) -> list[Key]:
    return [key for provider in _providers for key in provider(account_id)]
