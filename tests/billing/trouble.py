"""A fault on one call of many: which one is counted, whatever it is about."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, Self, TypeVar

import pytest

from billing.gateways import client
from sandbox.stripe.faults import Fault
from tests.billing.snapshots import Snapshot
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


# The same beginning for many faults ----------------------------------------------------------------------------------


class Anew(Protocol):
    """A scene before its act: `anew` is the same in a world that was put back, and what is done to it stays with it."""

    def anew(self) -> Self: ...


AScene = TypeVar("AScene", bound=Anew)


@dataclass(frozen=True)
class Begun(Generic[AScene]):
    """A flow before its act, and the calls that this makes when nothing is wrong."""

    scene: AScene
    start: Snapshot
    calls: list[tuple[str, str]]

    @classmethod
    def by(
        cls, world: World, scene: AScene, act: Callable[[AScene], Any], check: Callable[[AScene], Any]
    ) -> Begun[AScene]:
        """Acts once without a fault; `check` says whether all is as it should be then."""
        start = Snapshot.keep(world)
        acting, dry = scene.anew(), Trouble()
        with troubled(world, dry):
            act(acting)
        assert dry.calls
        check(acting)
        return cls(scene, start, dry.calls)

    def provoke(self, world: World, effect: str, one: Callable[[AScene, Trouble], None]) -> None:
        """The fault on each call in turn, each time from the beginning."""
        for number, (method, path) in enumerate(self.calls, start=1):
            if method == "GET" and effect not in READS:
                continue
            self.start.put_back(world)
            try:
                one(self.scene.anew(), Trouble(effect, number))
            except AssertionError as error:
                where = f"{effect} on call {number} of {len(self.calls)}: {method} {path}"
                raise AssertionError(f"{where}: {error}") from error


class LastBegun(Generic[AScene]):
    """The flow that was begun last: its next proof in the same process begins where the first one began."""

    def __init__(self) -> None:
        self._name: str | None = None
        self._begun: Begun[AScene] | None = None

    def of(self, name: str, begin: Callable[[], Begun[AScene]]) -> Begun[AScene]:
        if self._begun is None or self._name != name or not self._begun.start.is_kept:
            self._name, self._begun = name, begin()
        return self._begun


def together(names: Iterable[str]) -> list[Any]:
    """Parameters of which each has all its proofs in one process, so that they can share their beginning."""
    return [pytest.param(name, marks=pytest.mark.xdist_group(f"faults of {name}")) for name in names]
