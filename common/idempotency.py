"""Idempotency-Key: the first request with a key runs, the others get its answer, byte for byte.

The first committed row claims the key; PostgreSQL decides, no cache. A holder that dies leaves its claim behind, and
after LOCK_S another request may take it over: the handler then runs again, so services that move money or count
units use the key once more themselves (`request.idempotency_key`, or `request.call_id`, which is nobody else's). A handler that takes longer than LOCK_S can be
overtaken in the same way. Times here are the real time of the database, also where the sandbox's clock is moved.
"""

import hashlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.db import DatabaseError, connection
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from common.api.envelope import error_code_of, mark_envelope
from common.database import DatabaseClock
from common.errors import (
    IdempotencyKeyInProgress,
    IdempotencyKeyReused,
    RateLimited,
    ValidationError,
)
from common.ids import uuid_of
from common.models import IdempotencyRecord
from common.request_id import HEADER as REQUEST_ID_HEADER
from common.request_id import current_request_id

logger = structlog.get_logger(__name__)

HEADER, REPLAYED_HEADER = "Idempotency-Key", "Idempotent-Replayed"
MAX_KEY = 255
MAX_ENDPOINT = 200
LOCK_S = 60
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.01, 0.25
SERVER_ERROR = 500
NOT_KEPT_CODES = frozenset({RateLimited.code, IdempotencyKeyInProgress.code})
# Told by the transport anew each time.
NOT_KEPT_HEADERS = frozenset({"allow", "ratelimit", "ratelimit-policy", "vary"})


@dataclass(frozen=True, slots=True)
class Call:
    """What makes two requests the same: who asks, where, with which key and body."""

    scope: str
    endpoint: str
    key: str
    body_sha256: bytes

    @classmethod
    def of(cls, *, scope: str, key: str, method: str, path: str, query: str, body: bytes) -> "Call":
        """ValidationError when the key has not the accepted form."""
        if not (1 <= len(key) <= MAX_KEY and key.isascii() and key.isprintable()):
            raise ValidationError.of(HEADER, "invalid", _("Use 1 to 255 printable ASCII characters."))
        endpoint = f"{method} {path}"
        if len(endpoint) > MAX_ENDPOINT:
            endpoint = f"{method} {hashlib.sha256(path.encode()).hexdigest()}"
        described = b"\0".join([method.encode(), path.encode(), query.encode(), body])
        return cls(scope=scope, endpoint=endpoint, key=key, body_sha256=hashlib.sha256(described).digest())

    @property
    def id(self) -> UUID:
        """What this call and its repeats are known by; no other caller's or address' is the same."""
        return uuid_of(self.scope, self.endpoint, self.key)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run the handler. `locked_until` tells it from a claim that was taken over."""

    record_id: int
    locked_until: datetime


def run_once(call: Call, produce: Callable[[], HttpResponse], *, wait_s: float = 0) -> HttpResponse:
    """The kept answer to `call`, else `produce()`'s, which is kept.

    `produce` returns a rendered answer; when it raises, or answers 5xx, the key is free again. While another request
    with this key runs, wait for it up to `wait_s`, then IdempotencyKeyInProgress. IdempotencyKeyReused when the key
    came with another body before.
    """
    claimed = _claim_or_answer(call, wait_s)
    if isinstance(claimed, HttpResponse):
        return claimed
    try:
        response = produce()
    except BaseException:
        _settle(claimed, None)
        raise
    _settle(claimed, response if _is_kept(response) else None)
    return response


def prune(*, before: datetime, batch: int = 5000) -> int:
    """Forget keys first used before that real instant; how many."""
    total = 0
    while True:
        oldest = IdempotencyRecord.objects.filter(created_at__lt=before).order_by("created_at")[:batch]
        deleted, _by_model = IdempotencyRecord.objects.filter(pk__in=oldest.values("pk")).delete()
        total += deleted
        if deleted < batch:
            return total


def _claim_or_answer(call: Call, wait_s: float) -> Claim | HttpResponse:
    deadline = time.monotonic() + wait_s
    pause_s = FIRST_PAUSE_S
    while True:
        claim = _insert_claim(call)
        if claim is not None:
            return claim
        record = _find(call)
        if record is not None:
            _check_same(call, record)
            if record.completed_at is not None:
                return _replay(record)
            claim = _take_over(record)
            if claim is not None:
                return claim
            if time.monotonic() >= deadline:
                raise IdempotencyKeyInProgress
            time.sleep(pause_s * random.uniform(0.5, 1))  # noqa: S311 - so that waiters do not ask in step
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)


def _insert_claim(call: Call) -> Claim | None:
    return _fetch_claim(
        """
        INSERT INTO common_idempotencyrecord
          (scope, endpoint, key, body_sha256, created_at, locked_until, headers)
        VALUES (%s, %s, %s, %s, clock_timestamp(), clock_timestamp() + make_interval(secs => %s), '{}')
        ON CONFLICT (scope, endpoint, key) DO NOTHING
        RETURNING id, locked_until
        """,
        [call.scope, call.endpoint, call.key, call.body_sha256, LOCK_S],
    )


def _take_over(record: IdempotencyRecord) -> Claim | None:
    """Claim what a dead holder left. Of several that try, the first one's update changes `locked_until`."""
    claim = _fetch_claim(
        """
        UPDATE common_idempotencyrecord SET locked_until = clock_timestamp() + make_interval(secs => %s)
        WHERE id = %s AND locked_until = %s AND locked_until < clock_timestamp() AND completed_at IS NULL
        RETURNING id, locked_until
        """,
        [LOCK_S, record.pk, record.locked_until],
    )
    if claim is not None:
        logger.warning("idempotency_claim_taken_over", endpoint=record.endpoint)
    return claim


def _fetch_claim(sql: str, params: list[Any]) -> Claim | None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        row = cursor.fetchone()
    return None if row is None else Claim(*row)


def _find(call: Call) -> IdempotencyRecord | None:
    return IdempotencyRecord.objects.filter(scope=call.scope, endpoint=call.endpoint, key=call.key).first()


def _check_same(call: Call, record: IdempotencyRecord) -> None:
    if bytes(record.body_sha256) != call.body_sha256:
        raise IdempotencyKeyReused


def _is_kept(response: HttpResponse) -> bool:
    if response.status_code >= SERVER_ERROR or response.streaming:
        return False
    return error_code_of(response) not in NOT_KEPT_CODES


def _settle(claim: Claim, answer: HttpResponse | None) -> None:
    """Keep the answer, or free the key.

    A database that fails now must not take back an answer whose effect is already committed: the claim then runs
    out by itself.
    """
    mine = IdempotencyRecord.objects.filter(
        pk=claim.record_id, locked_until=claim.locked_until, completed_at__isnull=True
    )
    try:
        changed = mine.delete()[0] if answer is None else mine.update(**_kept(answer))
    except DatabaseError:
        logger.exception("idempotency_not_settled", record_id=claim.record_id)
        return
    if not changed:
        logger.warning("idempotency_claim_lost", record_id=claim.record_id)


def _kept(answer: HttpResponse) -> dict[str, Any]:
    headers = {name: value for name, value in answer.items() if name.lower() not in NOT_KEPT_HEADERS}
    return {
        "completed_at": DatabaseClock(),
        "status": answer.status_code,
        "headers": headers | {REQUEST_ID_HEADER: current_request_id()},
        "body": answer.content,
    }


def _replay(record: IdempotencyRecord) -> HttpResponse:
    assert record.status is not None
    response = HttpResponse(bytes(record.body or b""), status=record.status, headers=record.headers)
    response[REPLAYED_HEADER] = "true"
    return mark_envelope(response)
