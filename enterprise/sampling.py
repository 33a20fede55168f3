"""What may happen a thousand times a second is written down once a minute, with how often it happened."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable

MOST_KNOWN = 10_000


class Sampler:
    """In this process: at most one entry per `period_s` for each cause.

    The entry tells how many came before it unwritten. Of more than MOST_KNOWN causes the longest known is forgotten.
    """

    def __init__(self, period_s: float) -> None:
        self.period_s = period_s
        self._mutex = threading.Lock()
        self._seen: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def take(self, cause: Hashable) -> int | None:
        """How many times it happened since the last entry, this one included; None when it is not its time yet."""
        now = time.monotonic()
        with self._mutex:
            written_at, unwritten = self._seen.get(cause, (float("-inf"), 0))
            if now - written_at < self.period_s:
                self._seen[cause] = (written_at, unwritten + 1)
                return None
            self._seen[cause] = (now, 0)
            self._seen.move_to_end(cause)
            if len(self._seen) > MOST_KNOWN:
                self._seen.popitem(last=False)
            return unwritten + 1

    def forget(self) -> None:
        """Begin anew (tests)."""
        with self._mutex:
            self._seen.clear()
