"""Choices of notifications: what is stored is only what differs from the defaults' shape; what is read is complete."""

from collections.abc import Iterable, Mapping

Choices = dict[str, dict[str, bool]]

OPT_IN_KINDS = frozenset({"news"})
SMALLEST_THRESHOLD, LARGEST_THRESHOLD, MOST_THRESHOLDS = 1, 100, 5


def complete_choices(
    stored: Mapping[str, Mapping[str, bool]], *, kinds: Iterable[str], channels: Iterable[str]
) -> Choices:
    """Every kind and channel, as chosen or else as by default: on, but off for what one has to opt in to."""
    ways = list(channels)
    return {
        kind: {way: bool(stored.get(kind, {}).get(way, kind not in OPT_IN_KINDS)) for way in ways}
        for kind in kinds
    }


def merged_choices(
    stored: Mapping[str, Mapping[str, bool]], changes: Mapping[str, Mapping[str, bool]]
) -> Choices:
    """`stored` with each changed way replaced and all others kept."""
    kinds = {*stored, *changes}
    return {kind: {**stored.get(kind, {}), **changes.get(kind, {})} for kind in sorted(kinds)}


def chosen_way(stored: Mapping[str, Mapping[str, bool]], kind: str, channel: str) -> bool:
    """Whether a person wants to be told of this kind by this way."""
    return complete_choices(stored, kinds=[kind], channels=[channel])[kind][channel]
