"""Many callers at once over HTTP, each on a connection of its own, until a number of attempts is made."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

ANSWER_TIMEOUT_S = 60
PATIENCE_S = 240


@dataclass(frozen=True)
class Answer:
    """What one attempt heard. `status` 0: nothing; whether the server did it is unknown."""

    status: int
    code: str = ""


@dataclass
class Swarm:
    """`callers` threads share `attempts` POSTs of one body. As a context manager: all have ended when it is left."""

    base_url: str
    identity: Mapping[str, str]
    path: str
    body: Any
    callers: int
    attempts: int
    answers: list[Answer] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._left = self.attempts
        self._news = threading.Condition()
        self._threads = [threading.Thread(target=self._work) for _ in range(self.callers)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            with self._news:
                self._left = 0
        deadline = time.monotonic() + PATIENCE_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        assert not any(thread.is_alive() for thread in self._threads), "callers are still waiting"

    def wait_for(self, answers: int, *, status: int | None = None) -> None:
        """Return once so many answers (of this status) have come."""
        with self._news:
            reached = self._news.wait_for(lambda: self.count(status) >= answers, timeout=PATIENCE_S)
        assert reached, f"no {answers} answers of status {status}: {self.counted()}"

    def count(self, status: int | None = None) -> int:
        return sum(status is None or answer.status == status for answer in self.answers)

    def counted(self) -> Counter[tuple[int, str]]:
        """How many answers of each status and code."""
        return Counter((answer.status, answer.code) for answer in self.answers)

    def _work(self) -> None:
        connection: http.client.HTTPConnection | None = None
        while self._take():
            connection = connection or self._connect()
            try:
                answer = self._ask(connection)
            except (OSError, http.client.HTTPException):
                answer = Answer(0)
                connection.close()
                connection = None
            with self._news:
                self.answers.append(answer)
                self._news.notify_all()
        if connection is not None:
            connection.close()

    def _take(self) -> bool:
        with self._news:
            self._left -= 1
            return self._left >= 0

    def _connect(self) -> http.client.HTTPConnection:
        place = urlsplit(self.base_url)
        assert place.hostname is not None
        return http.client.HTTPConnection(place.hostname, place.port, timeout=ANSWER_TIMEOUT_S)

    def _ask(self, connection: http.client.HTTPConnection) -> Answer:
        headers = {**self.identity, "Content-Type": "application/json"}
        connection.request("POST", self.path, json.dumps(self.body), headers)
        response = connection.getresponse()
        content = response.read()
        if response.status < 400:
            return Answer(response.status)
        return Answer(response.status, json.loads(content)["error"]["code"])
