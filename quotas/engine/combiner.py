"""Callers that wait together are served together: one transaction, one commit, for all of them.

A row lock is held through the commit's flush to disk, so callers who each lock the same row are served one flush
at a time. Here the first caller to wait leads: it takes all that wait, has them decided in one batch, wakes them
and hands over. There is no timer: under no load a caller is its own batch, under load batches grow by themselves.
Each caller that wakes wakes the next one: woken all at once they would only queue for the interpreter's lock, at half
again the cost. The last of them hands over, so that those who were answered first can ask again before the next batch
is closed: a leader who did not wait for them would go alone, and make all of them wait for a transaction of one.
(The technique is flat combining: Hendler, Incze, Shavit, Tzafrir, SPAA 2010.)
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Generic, TypeVar

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")

MAX_BATCH = 256
"""Operations in one batch at the most: bounds a transaction's length and what one failure makes be retried."""


class _Waiter(Generic[Ask, Answer]):
    """One caller. `gate` is held until there is an answer, a failure, or the lead to take.

    `then` is what this caller has to do first when it wakes: wake the next of its batch, or hand over.
    """

    __slots__ = ("answer", "ask", "failure", "gate", "leads", "then")

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.answer: Answer | None = None
        self.failure: BaseException | None = None
        self.leads = False
        self.then: Callable[[], None] | None = None
        self.gate = threading.Lock()
        self.gate.acquire()

    def wait(self) -> None:
        """Until it is this caller's turn, and then wake who comes after. An interruption is raised only after that:
        whoever stands behind this caller must not wait for ever.
        """
        interruption: BaseException | None = None
        while True:
            try:
                self.gate.acquire()
                break
            except BaseException as error:  # noqa: BLE001 - raised below
                interruption = error
        if self.then is not None:
            self.then()
        if interruption is not None and not self.leads:
            raise interruption


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
            waiter.wait()
            lead = waiter.leads
        if lead:
            self._lead(waiter)
        if waiter.failure is not None:
            raise waiter.failure
        return waiter.answer  # type: ignore[return-value]

    def _lead(self, leader: _Waiter[Ask, Answer]) -> None:
        """Serve one batch; the leader's own ask is its first, since it waited longest."""
        with self._mutex:
            size = min(len(self._waiting), self._max_batch)
            batch = [self._waiting.popleft() for _ in range(size)]
        try:
            self._serve(batch)
        finally:
            self._wake([waiter for waiter in batch if waiter is not leader])

    def _wake(self, waiters: Sequence[_Waiter[Ask, Answer]]) -> None:
        """Wake the first, who wakes the second, and so on, and hand over.

        The last one hands over, unless more wait already than are woken here: then nothing is gained by letting
        these ask again first, and the next batch need not wait until each of them got hold of the interpreter.
        """
        for waiter, following in pairwise(waiters):
            waiter.then = following.gate.release
        if waiters and len(self._waiting) <= len(waiters):
            waiters[-1].then = self._hand_over
        else:
            self._hand_over()
        if waiters:
            waiters[0].gate.release()

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
