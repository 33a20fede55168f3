"""After a failure, leave a service alone for a while instead of waiting for it with every request."""

import time


class Breaker:
    """Open for `pause_s` after each trip. One for the process; a race costs one more attempt at worst."""

    def __init__(self, pause_s: float) -> None:
        self.pause_s = pause_s
        self._until = 0.0

    @property
    def is_open(self) -> bool:
        return time.monotonic() < self._until

    def trip(self) -> None:
        self._until = time.monotonic() + self.pause_s

    def reset(self) -> None:
        self._until = 0.0
