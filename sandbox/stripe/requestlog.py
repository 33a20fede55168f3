"""Every API call received, for tests to look at. No credentials, no card numbers."""

import threading
from collections import deque
from typing import Any

KEPT = 20_000
SECRET = ("number", "cvc")


def redacted(params: Any) -> Any:
    if not isinstance(params, dict):
        return params
    return {
        name: "…" if name in SECRET and isinstance(value, str) else redacted(value)
        for name, value in params.items()
    }


class RequestLog:
    def __init__(self) -> None:
        self._rows: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._lock = threading.Lock()

    def add(self, row: dict[str, Any]) -> None:
        with self._lock:
            self._rows.append(row)

    def clear(self) -> None:
        with self._lock:
            self._rows.clear()

    def listed(self) -> list[dict[str, Any]]:
        with self._lock:
            return list(self._rows)
