"""Idempotency keys as Stripe's first API treats them.

The first answer that came from running a request is kept for a day of virtual time, whatever its status, a 500 after the
effect included. Answers from before anything ran (unknown parameters, authentication, rate limits) are not kept.
"""

import hashlib
import json
import threading
from typing import Any

from sandbox.stripe.errors import InvalidParams
from sandbox.stripe.rules import DAY_S
from sandbox.stripe.store import Object, Tx

KIND = "_idempotency"


def fingerprint(method: str, path: str, params: dict[str, Any]) -> str:
    text = json.dumps([method, path, params], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class InProgress:
    """The keys of requests that are running now."""

    def __init__(self) -> None:
        self._keys: set[str] = set()
        self._lock = threading.Lock()

    def enter(self, key: str) -> None:
        with self._lock:
            if key in self._keys:
                raise InvalidParams(
                    f"There is currently another in-progress request using this Idempotent Key ({key}). "
                    "Please try again later.",
                    status=409,
                    kind="idempotency_error",
                    code="idempotency_key_in_use",
                )
            self._keys.add(key)

    def leave(self, key: str) -> None:
        with self._lock:
            self._keys.discard(key)


def kept_answer(tx: Tx, key: str, print_: str) -> Object | None:
    """What the same request was answered. Raises when the key was used for another one."""
    kept = tx.peek(KIND, key)
    if kept is None or kept["created"] <= tx.now - DAY_S:
        return None
    if kept["fingerprint"] != print_:
        raise InvalidParams(
            f"Keys for idempotent requests can only be used with the same parameters they were first used with. Try "
            f"using a key other than '{key}' if you meant to execute a different request.",
            kind="idempotency_error",
        )
    return kept


def keep_answer(tx: Tx, key: str, print_: str, *, status: int, body: Any, request_id: str) -> None:
    answer = {
        "id": key,
        "fingerprint": print_,
        "created": tx.now,
        "status": status,
        "body": body,
        "request": request_id,
    }
    tx.add(answer, KIND)


def forget_all(tx: Tx) -> int:
    kept = tx.find(KIND)
    for answer in kept:
        tx.remove(KIND, answer["id"])
    return len(kept)
