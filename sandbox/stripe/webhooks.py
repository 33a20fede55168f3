"""Deliveries: signed as Stripe signs, one at a time, tried again with growing pauses while they are not answered 2xx."""

import hashlib
import hmac
import http.client
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from sandbox.stripe.events import wants
from sandbox.stripe.render import render
from sandbox.stripe.store import Object, Store, Tx

MODES = ("deliver", "hold", "duplicate", "reverse")
TIMEOUT_S = 20.0
MAX_ATTEMPTS = 16
LOGGED = 20_000


def pause_s(attempts: int) -> float:
    """Real seconds before the next attempt. Stripe's own pauses grow to hours; a sandbox has none to spare."""
    return float(min(0.5 * 2 ** (attempts - 1), 60.0))


def signature(secret: str, body: bytes, at: int) -> str:
    """The `Stripe-Signature` header. `at` is real time: receivers compare it with their own clock."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def post(url: str, body: bytes, headers: dict[str, str]) -> int | None:
    """The answer's status, or None when there was no answer."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", target or "/", body, headers)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return None
    else:
        return answer.status
    finally:
        connection.close()


@dataclass(frozen=True)
class Parcel:
    """One delivery, ready to be sent without looking at the store again."""

    delivery_id: str
    url: str
    secret: str
    body: bytes
    event_id: str
    event_type: str
    created: int  # virtual time of the event


class Deliverer:
    """Sends what commits have queued. The store is read and changed under the server's lock, never while sending."""

    def __init__(self, store: Store, begin: Callable[[], Tx], lock: threading.RLock) -> None:
        self._store = store
        self._begin = begin
        self._changed = threading.Condition(lock)
        self._mode = "deliver"
        self.log: deque[Object] = deque(maxlen=LOGGED)  # every attempt, oldest first
        self._in_flight: str | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="stripe-webhooks", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(TIMEOUT_S + 1)

    def wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def mode(self) -> str:
        return self._mode

    def set_mode(self, mode: str) -> None:
        with self._changed:
            self._mode = mode
            self._changed.notify_all()

    def replay(self, event_ids: list[str]) -> list[Object]:
        """Sends these events now, in this order, one after the other, whatever the mode; an event that was still waiting
        has then been delivered. Raises StripeError for an event that there is not.
        """
        sent = []
        for event_id in event_ids:
            for parcel in self._parcels(event_id):
                status = self._send(parcel)
                sent.append({"event": event_id, "url": parcel.url, "status": status})
                if status is not None and 200 <= status < 300:
                    self._settle_waiting(event_id, parcel.url)
        return sent

    def _parcels(self, event_id: str) -> list[Parcel]:
        with self._changed:
            tx = self._begin()
            event = tx.get("event", event_id)
            endpoints = [row for row in tx.find("webhook_endpoint") if wants(row, event["type"])]
            made = [self._parcel({"id": "", "endpoint": row["id"], "event": event_id}) for row in endpoints]
            return [parcel for parcel in made if parcel is not None]

    def _settle_waiting(self, event_id: str, url: str) -> None:
        with self._changed:
            tx = self._begin()
            for delivery in tx.find("_delivery"):
                endpoint = tx.peek("webhook_endpoint", delivery["endpoint"])
                if delivery["event"] == event_id and endpoint is not None and endpoint["url"] == url:
                    self._close(tx, delivery, delivered=True)
            tx.commit()
            self._changed.notify_all()

    def retry_now(self) -> None:
        """Forgets the pauses: hours have passed in virtual time."""
        with self._changed:
            tx = self._begin()
            for delivery in tx.find("_delivery"):
                delivery["not_before"] = 0.0
            tx.commit()
            self._changed.notify_all()

    # Waiting -----------------------------------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """`pending`: to be tried for the first time or on the way; `retrying`: failed before; `held`."""
        with self._changed:
            rows = list(self._store.objects.get("_delivery", {}).values())
            fresh = sum(1 for row in rows if row["attempts"] == 0)
            held = self._mode == "hold"
            return {
                "pending": int(self._in_flight is not None) if held else fresh,
                "retrying": len(rows) - fresh,
                "held": fresh if held else 0,
            }

    def wait_quiet(self, timeout_s: float) -> bool:
        """Whether every delivery was answered, or failed once, before the time was over."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while self._busy():
                left_s = deadline - time.monotonic()
                if left_s <= 0 or self._stopping:
                    return False
                self._changed.wait(min(left_s, 1.0))
        return True

    def _busy(self) -> bool:
        return self._in_flight is not None or bool(self.counts()["pending"]) or self._next() is not None

    # Sending -----------------------------------------------------------------------------------------------------

    def _next(self) -> Object | None:
        if self._mode == "hold":
            return None
        now = time.time()
        ready = [row for row in self._store.objects.get("_delivery", {}).values() if row["not_before"] <= now]
        if not ready:
            return None
        return ready[-1] if self._mode == "reverse" else ready[0]

    def _pause_s(self) -> float | None:
        waiting = [row["not_before"] for row in self._store.objects.get("_delivery", {}).values()]
        if not waiting or self._mode == "hold":
            return None
        return max(0.0, min(waiting) - time.time())

    def _run(self) -> None:
        while True:
            with self._changed:
                while (delivery := self._next()) is None and not self._stopping:
                    self._changed.wait(self._pause_s())
                if self._stopping or delivery is None:
                    return
                parcel = self._parcel(delivery)
                self._in_flight = delivery["id"]
                copies = 2 if self._mode == "duplicate" else 1
            answers = [self._send(parcel) for _ in range(copies)] if parcel is not None else []
            delivered = all(status is not None and 200 <= status < 300 for status in answers)
            with self._changed:
                self._in_flight = None
                self._settle(delivery["id"], delivered=delivered)
                self._changed.notify_all()

    def _parcel(self, delivery: Object) -> Parcel | None:
        """None when the endpoint or the event is no more."""
        tx = self._begin()
        endpoint = tx.peek("webhook_endpoint", delivery["endpoint"])
        event = tx.peek("event", delivery["event"])
        if endpoint is None or event is None:
            return None
        body = json.dumps(render(tx, event), indent=2).encode()
        return Parcel(
            delivery_id=delivery["id"],
            url=endpoint["url"],
            secret=endpoint["_secret"],
            body=body,
            event_id=event["id"],
            event_type=event["type"],
            created=event["created"],
        )

    def _send(self, parcel: Parcel) -> int | None:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": signature(parcel.secret, parcel.body, int(time.time())),
        }
        status = post(parcel.url, parcel.body, headers)
        self.log.append(
            {
                "at": parcel.created,
                "event": parcel.event_id,
                "type": parcel.event_type,
                "url": parcel.url,
                "status": status,
            }
        )
        return status

    def _settle(self, delivery_id: str, *, delivered: bool) -> None:
        tx = self._begin()
        delivery = tx.maybe("_delivery", delivery_id)
        if delivery is None:
            return  # forgotten by a reset meanwhile
        delivery["attempts"] += 1
        if delivered or delivery["attempts"] >= MAX_ATTEMPTS:
            self._close(tx, delivery, delivered=delivered)
        else:
            delivery["not_before"] = time.time() + pause_s(delivery["attempts"])
        tx.commit()

    def _close(self, tx: Tx, delivery: Object, *, delivered: bool) -> None:
        tx.remove("_delivery", delivery["id"])
        event = tx.maybe("event", delivery["event"])
        if event is not None and delivered:
            event["pending_webhooks"] -= 1
