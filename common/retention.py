"""What is forgotten after a time. The app whose it is says how; beat and `manage.py prune` do it."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol


class Forgetter(Protocol):
    """Forgets what is old enough at `now`; how many. A dry run only counts."""

    def __call__(self, *, now: datetime, dry_run: bool = False) -> int: ...


_forgetters: dict[str, Forgetter] = {}


def forgets(name: str) -> Callable[[Forgetter], Forgetter]:
    """Make a function the one that forgets what is called `name`."""

    def register(forgetter: Forgetter) -> Forgetter:
        assert name not in _forgetters, f"two ways to forget {name}"
        _forgetters[name] = forgetter
        return forgetter

    return register


def forget_all(*, now: datetime, dry_run: bool = False) -> dict[str, int]:
    """Run every registered way; how many of each."""
    return {name: forgetter(now=now, dry_run=dry_run) for name, forgetter in sorted(_forgetters.items())}
