"""What is stored beyond the room that new limits leave."""

from collections.abc import Iterable
from dataclasses import dataclass

from billing.rules.changes import QuotaChange
from billing.stored import stored_things
from quotas.enums import Window


@dataclass(frozen=True, slots=True)
class Exceeding:
    """Stored things of a capacity metric that would be too many: `excess` of `stored`.

    Without a choice of the user's `kept` would stay and `items` be archived, the first to go last.
    """

    metric: str
    limit: int
    stored: int
    excess: int
    items: tuple[dict[str, str], ...]
    kept: tuple[dict[str, str], ...] = ()


def stored_exceeding(account_id: int, changes: Iterable[QuotaChange]) -> list[Exceeding]:
    """What the account has stored that the new limits would have no room for."""
    found = []
    for change in changes:
        if change.window != Window.CAPACITY or change.to_limit is None:
            continue
        things = tuple(
            {"id": one["id"], "name": one["name"]} for one in stored_things(account_id, change.metric)
        )
        excess = len(things) - change.to_limit
        if excess > 0:
            gone, kept = things[change.to_limit :], things[: change.to_limit]
            found.append(Exceeding(change.metric, change.to_limit, len(things), excess, gone, kept))
    return found
