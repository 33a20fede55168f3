"""Which stored things stay in use when there is room for fewer: arithmetic on ids."""

from collections.abc import Collection, Sequence


def staying(*, in_use: Sequence[str], chosen: Collection[str], room: int) -> list[str]:
    """The ids that stay: those the user chose, then the others, each in the order of `in_use`, as many as fit."""
    ranked = [one for one in in_use if one in chosen] + [one for one in in_use if one not in chosen]
    return ranked[: max(room, 0)]


def excess(*, in_use: Sequence[str], chosen: Collection[str], limit: int) -> list[str]:
    """The ids to be archived so that no more than `limit` stay, the first to go first."""
    kept = set(staying(in_use=in_use, chosen=chosen, room=limit))
    return [one for one in reversed(in_use) if one not in kept]


def returning(*, archived: Sequence[str], chosen: Collection[str]) -> list[str]:
    """The ids in the order in which they come back: those the user chose first."""
    return [one for one in archived if one in chosen] + [one for one in archived if one not in chosen]


def has_grown(*, before: int | None, now: int | None) -> bool:
    """Whether there is more room than before; None is room without a limit."""
    if before is None:
        return False
    return now is None or now > before
