"""What a damaged ledger must have said: pure arithmetic on what stands in more than one place.

Each entry says what it moved and the balance after it; each grant says what is left of it; each record says what was paid with
credits. One wrong figure among them is the one that contradicts two others. What they do not determine is left to a person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest


@dataclass(frozen=True, slots=True)
class Entry:
    """As it stands; `grant_id` None: it moves nothing."""

    id: int
    units: int
    balance: int
    grant_id: int | None


@dataclass(frozen=True, slots=True)
class Lost:
    """An entry that is gone: it moved `units` of a grant, after the entry `after_id` (0: the first) and before `before_id`."""

    units: int
    grant_id: int
    after_id: int
    before_id: int | None


@dataclass(slots=True)
class Mending:
    """What makes the books right: figures by entry and by grant, entries to be written anew, the wallet's balance."""

    units: dict[int, int] = field(default_factory=dict)
    balances: dict[int, int] = field(default_factory=dict)
    lost: list[Lost] = field(default_factory=list)
    remaining: dict[int, int] = field(default_factory=dict)
    wallet: int | None = None
    unclear: list[str] = field(default_factory=list)


def mending(
    entries: Sequence[Entry],
    *,
    remaining: Mapping[int, int],
    wallet: int,
    owed: Sequence[int],
    has_room: Callable[[int, int], bool],
) -> Mending:
    """`entries` in order; `remaining` by grant, in the order in which grants are spent; `owed`: what operations moved, minus is
    taken, of which the ledger has no entry.

    `has_room`: whether between two entries' numbers one is free, as it is where an entry was.
    """
    found, running, before = Mending(), 0, 0
    short = _short(entries, remaining)
    for entry, after in zip_longest(entries, entries[1:]):
        wanted = after.balance - after.units if after is not None else wallet
        if running + entry.units == entry.balance:
            running = entry.balance
        elif running + entry.units == wanted:
            running = found.balances[entry.id] = wanted
        elif entry.balance == wanted:
            _moved(
                found,
                entry,
                missing=entry.balance - running - entry.units,
                gone_after=before if has_room(before, entry.id) else None,
                short=short,
                owed=owed,
            )
            running = entry.balance
        else:
            found.unclear.append(
                f"entry {entry.id}: neither what it moved nor its balance fits its neighbours"
            )
            running = entry.balance
        before = entry.id
    _end(found, running=running, wallet=wallet, before=before, short=short, owed=owed)
    if not found.unclear:
        found.remaining = {grant: remaining[grant] - left for grant, left in short.items() if left}
    return found


def _short(entries: Sequence[Entry], remaining: Mapping[int, int]) -> dict[int, int]:
    """By grant: what it says is left, less what its entries sum to."""
    short = dict(remaining)
    for entry in entries:
        if entry.grant_id is not None:
            short[entry.grant_id] = short.get(entry.grant_id, 0) - entry.units
    return short


def _moved(
    found: Mending,
    entry: Entry,
    *,
    missing: int,
    gone_after: int | None,
    short: dict[int, int],
    owed: Sequence[int],
) -> None:
    """Either this entry moved `missing` more than it says, or entries before it are gone that moved as much."""
    whose = _of_grants(short, missing, owed)
    own = entry.grant_id is not None and short.get(entry.grant_id) == missing
    turns = entry.units * (entry.units + missing) <= 0  # what was given was never taken
    likely_gone = not own or turns or missing in owed
    if gone_after is not None and likely_gone:
        if whose:
            _lose(found, whose, short, after=gone_after, before=entry.id)
        else:
            found.unclear.append(
                f"entry {entry.id}: one is gone before it, {missing:+}, and no grant tells whose"
            )
    elif own and entry.grant_id is not None:
        found.units[entry.id] = entry.units + missing
        short[entry.grant_id] = 0
    else:
        found.unclear.append(f"entry {entry.id}: {missing:+} before it, and no grant tells whose")


def _of_grants(short: Mapping[int, int], missing: int, owed: Sequence[int]) -> dict[int, int]:
    """By grant: what entries moved that are gone and sum to `missing`. Empty where it is not determined.

    One grant that lacks as much; or all that lack anything, together, as one operation moved it that spent several.
    """
    of_one = {grant: left for grant, left in short.items() if left == missing}
    if of_one:
        return of_one if len(of_one) == 1 else {}
    of_all = {grant: left for grant, left in short.items() if left}
    return of_all if missing in owed and sum(of_all.values()) == missing else {}


def _lose(
    found: Mending, whose: Mapping[int, int], short: dict[int, int], *, after: int, before: int | None
) -> None:
    for grant, units in whose.items():
        found.lost.append(Lost(units, grant, after, before))
        short[grant] = 0


def _end(
    found: Mending, *, running: int, wallet: int, before: int, short: dict[int, int], owed: Sequence[int]
) -> None:
    if wallet == running:
        return
    whose = _of_grants(short, wallet - running, owed)
    if whose:
        _lose(found, whose, short, after=before, before=None)
    elif not any(short.values()):
        found.wallet = running
    else:
        found.unclear.append(
            f"the wallet says {wallet}, its ledger {running}, and no grant tells which is right"
        )
