"""A fault on one call of many: which one is counted, whatever it is about."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from billing.gateways import client
from sandbox.stripe.faults import Fault
from tests.billing.world import World

PATIENCE_S = 0.5  # of our client; nothing that is not held takes that long
GATE_S = 20.0
READS = (
    "drop_after",
    "rate_limit",
    "garbage_after",
)  # a read has no effect, so before and after are the same


class Held(Fault):
    """A delay that lasts until the client has given up, however slow the machine is."""

    def __init__(self, gate: threading.Event) -> None:
        super().__init__(path="", effect="delay")
        self.gate = gate

    def __getattribute__(self, name: str) -> Any:
        if name == "delay_s":
            self.gate.wait(GATE_S)
            return 0.0
        return super().__getattribute__(name)


@dataclass
class Trouble:
    """Lets the calls pass, counting them, until the `at`-th; that one has the fault, its repetitions too."""

    effect: str = ""
    at: int = 0
    calls: list[tuple[str, str]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    landed: threading.Event = field(default_factory=threading.Event)
    _hit: tuple[str, str] | None = None

    def take(self, method: str, path: str) -> Fault | None:
        self.calls.append((method, path))
        if len(self.calls) == self.at:
            self._hit = (method, path)
            return Held(self.gate) if self.effect == "delay" else Fault(path=path, effect=self.effect)
        if self._hit == (method, path) and len(self.calls) <= self.at + client.MAX_RETRIES:
            # held: the bank of calls behind the first one hears that the same key is being worked on
            return None if self.effect == "delay" else Fault(path=path, effect=self.effect)
        return None


@contextmanager
def troubled(world: World, trouble: Trouble) -> Iterator[None]:
    core = world.stand_in.core
    logged = core.requests.add

    def add(row: dict[str, Any]) -> None:
        logged(row)
        if row["fault"] == "delay":
            trouble.landed.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(core.faults, "take", trouble.take)
        patch.setattr(core.requests, "add", add)
        yield
        trouble.gate.set()
        if trouble.effect == "delay":
            assert trouble.landed.wait(GATE_S)
