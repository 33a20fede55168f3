"""Child processes that are asked by a line of JSON and answer with one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PATIENCE_S = 60.0


class ChildError(RuntimeError):
    """A child that failed or ended; the message has what it said."""


class Child:
    """`python -m <module> <order as JSON>`. Its end of input is its end."""

    def __init__(
        self, module: str, order: Mapping[str, Any], *, environment: Mapping[str, str], log: Path
    ) -> None:
        self._module = module
        self._log = log
        with log.open("a") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, json.dumps(order)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=dict(environment),
            )
        if self._process.stdin is None or self._process.stdout is None:
            raise ChildError("pipes were asked for, and are not there")
        self._input, self._output = self._process.stdin, self._process.stdout

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, command: Mapping[str, Any]) -> None:
        self._input.write(json.dumps(command) + "\n")
        self._input.flush()

    def answer(self) -> dict[str, Any]:
        """The next line it says. ChildError when it says none, or that it failed."""
        line = self._output.readline()
        if not line:
            code = self._process.wait(PATIENCE_S)
            raise ChildError(f"{self._module} ended ({code}):\n{self._log.read_text()[-4000:]}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ChildError(f"{self._module} failed:\n{answer['error']}")
        return answer

    def close(self) -> None:
        """Let it end; by force when it does not."""
        self._input.close()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()
