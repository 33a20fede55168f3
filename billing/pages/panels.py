"""Further sections of the billing page. A part of billing registers its own; the page shows those that apply."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from accounts.models import Account


@dataclass(frozen=True, slots=True)
class Panel:
    """A template that gets `panel`: its data."""

    template: str
    data: dict[str, Any] = field(default_factory=dict)


Provider = Callable[[Account], Panel | None]

_providers: dict[str, tuple[int, Provider]] = {}


def register(name: str, provider: Provider, *, position: int) -> None:
    """`provider(account)` gives the section, or None where the account has nothing of it; smaller positions first."""
    _providers[name] = (position, provider)


def panels_of(account: Account) -> list[Panel]:
    """The sections for an account, in order."""
    ordered = sorted(_providers.values(), key=lambda one: one[0])
    found = (provider(account) for _position, provider in ordered)
    return [panel for panel in found if panel is not None]
