"""Faults on demand: what a client must survive."""

import threading
from dataclasses import dataclass
from typing import Any

EFFECTS = (
    "drop_after",
    "error_after",
    "garbage_after",
    "cut_off_after",
    "error_before",
    "rate_limit",
    "delay",
)


@dataclass
class Fault:
    path: str
    effect: str
    method: str | None = None
    times: int = 1
    delay_s: float = 0.0

    def fits(self, method: str, path: str) -> bool:
        return self.times > 0 and path.startswith(self.path) and self.method in (None, method)


class Faults:
    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, spec: dict[str, Any]) -> Fault:
        """Raises ValueError when the description is not one."""
        unknown = set(spec) - {"path", "method", "effect", "times", "delay_s"}
        if unknown or spec.get("effect") not in EFFECTS or not isinstance(spec.get("path"), str):
            raise ValueError(f"a fault has path, effect ({', '.join(EFFECTS)}), method?, times?, delay_s?")
        method = spec.get("method")
        fault = Fault(
            path=spec["path"],
            effect=spec["effect"],
            method=method.upper() if method else None,
            times=int(spec.get("times", 1)),
            delay_s=float(spec.get("delay_s", 0)),
        )
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The oldest fault that fits, used up by one."""
        with self._lock:
            for fault in self._faults:
                if fault.fits(method, path):
                    fault.times -= 1
                    return fault
        return None

    def listed(self) -> list[dict[str, Any]]:
        with self._lock:
            return [vars(fault).copy() for fault in self._faults if fault.times > 0]
