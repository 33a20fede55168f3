"""Callers that wait together are served together: one transaction, one commit, for all of them.

A row lock is held through the commit's flush to disk, so callers who each lock the same row are served one flush
at a time. Here the first caller to wait leads: it takes all that wait, has them decided in one batch, wakes them
and hands over. There is no timer: under no load a caller is its own batch, under load batches grow by themselves.
(The technique is flat combining: Hendler, Incze, Shavit, Tzafrir, SPAA 2010.)
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")

MAX_BATCH = 256
"""Operations in one batch at the most: bounds a transaction's length and what one failure makes be retried."""


class _Waiter(Generic[Ask, Answer]):
    """One caller. `gate` is held until there is an answer, a failure, or the lead to take."""

    __slots__ = ("answer", "ask", "failure", "gate", "leads")

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.answer: Answer | None = None
        self.failure: BaseException | None = None
        self.leads = False
        self.gate = threading.Lock()
        self.gate.acquire()


class Combiner(Generic[Ask, Answer]):
    """Gathers concurrent `submit` calls into calls of `run_batch`, one at a time.

    `run_batch` returns one answer or one exception for each ask, in order; an exception it raises itself goes to all
    of the batch. Asks are taken in order of arrival.
    """

    def __init__(
        self,
        run_batch: Callable[[Sequence[Ask]], Sequence[Answer | BaseException]],
        *,
        max_batch: int = MAX_BATCH,
    ) -> None:
        self._run_batch = run_batch
        self._max_batch = max_batch
        self._waiting: deque[_Waiter[Ask, Answer]] = deque()
        self._mutex = threading.Lock()
        self._led = False

    def submit(self, ask: Ask) -> Answer:
        """The answer to `ask`, decided together with what else waits; raises what the batch raised for it."""
        waiter: _Waiter[Ask, Answer] = _Waiter(ask)
        with self._mutex:
            self._waiting.append(waiter)
            lead = not self._led
            self._led = True
        if not lead:
            waiter.gate.acquire()
            lead = waiter.leads
        if lead:
            self._lead()
        if waiter.failure is not None:
            raise waiter.failure
        return waiter.answer  # type: ignore[return-value]

    def _lead(self) -> None:
        """Serve one batch; the leader's own ask is its first, since it waited longest."""
        with self._mutex:
            size = min(len(self._waiting), self._max_batch)
            batch = [self._waiting.popleft() for _ in range(size)]
        try:
            self._serve(batch)
        finally:
            self._hand_over()
            for waiter in batch:
                waiter.gate.release()

    def _serve(self, batch: Sequence[_Waiter[Ask, Answer]]) -> None:
        try:
            answers = self._run_batch([waiter.ask for waiter in batch])
        except BaseException as failure:  # noqa: BLE001 - each caller raises it in its own thread
            answers = [failure] * len(batch)
        for waiter, answer in zip(batch, answers, strict=True):
            if isinstance(answer, BaseException):
                waiter.failure = answer
            else:
                waiter.answer = answer

    def _hand_over(self) -> None:
        """The longest waiting caller leads next; with nobody waiting, the next to come."""
        with self._mutex:
            if not self._waiting:
                self._led = False
                return
            successor = self._waiting[0]
        successor.leads = True
        successor.gate.release()
