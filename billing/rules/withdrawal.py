"""Withdrawing from a contract: until when, and what is given back. Arithmetic on frozen values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from common.money import round_half_up

DAYS = 14
LAW_ZONE = ZoneInfo("Europe/Paris")


@dataclass(frozen=True, slots=True)
class Spell:
    """What an invoice's line was charged for: an amount (negative: given back) for [starts_at, ends_at)."""

    amount_minor: int
    starts_at: datetime
    ends_at: datetime


def deadline(started_at: datetime) -> datetime:
    """The end of the fourteenth day after the day of subscribing, as the law counts days: in France, whole ones."""
    day = started_at.astimezone(LAW_ZONE).date() + timedelta(days=DAYS + 1)
    return datetime(day.year, day.month, day.day, tzinfo=LAW_ZONE)


def unused(spell: Spell, at: datetime) -> int:
    """The part of the amount for the time after `at`: by seconds, half-up. All of it before the start."""
    whole = int((spell.ends_at - spell.starts_at).total_seconds())
    left = int((spell.ends_at - max(at, spell.starts_at)).total_seconds())
    if whole <= 0 or left <= 0:
        return 0
    return round_half_up(Decimal(spell.amount_minor) * left / whole)


def unused_of_invoice(spells: Iterable[Spell], *, total_minor: int, at: datetime) -> int:
    """What an invoice charged for time after `at`: each line by itself, then discounts and tax in proportion."""
    rows = list(spells)
    listed = sum(one.amount_minor for one in rows)
    rest = sum(unused(one, at) for one in rows)
    if listed == 0:
        return 0
    return round_half_up(Decimal(rest) * total_minor / listed)


def spread(amount_minor: int, room: Sequence[int]) -> list[int]:
    """Which part of the amount each place takes, the first as much as it can. At most what there is room for."""
    parts = []
    for most in room:
        part = max(min(amount_minor, most), 0)
        parts.append(part)
        amount_minor -= part
    return parts
