"""The running stand-in: store, clock, deliveries and due work under one lock."""

import json
import threading
import time
import traceback
from dataclasses import dataclass, replace
from typing import Any

from sandbox.stripe.clock import Clock
from sandbox.stripe.engine import due
from sandbox.stripe.faults import Faults
from sandbox.stripe.idempotency import InProgress
from sandbox.stripe.ids import Ids
from sandbox.stripe.requestlog import RequestLog
from sandbox.stripe.store import Store, Tx
from sandbox.stripe.webhooks import Deliverer

TICK_S = 0.25
QUIET_TIMEOUT_S = 120.0


@dataclass
class Settings:
    """What Stripe's dashboard would set."""

    retry_days: tuple[int, ...] = (3, 5, 7)  # after each failed attempt, until the next
    after_retries: str = "canceled"  # or "unpaid", "past_due"
    renewal_draft_s: int = 0  # Stripe leaves renewal invoices in draft for about an hour

    def change(self, values: dict[str, Any]) -> None:
        """Raises ValueError for what is no setting."""
        for name, value in values.items():
            if name not in vars(self):
                raise ValueError(f"unknown setting {name}")
            if name == "after_retries" and value not in ("canceled", "unpaid", "past_due"):
                raise ValueError("after_retries is canceled, unpaid or past_due")
            if name == "renewal_draft_s" and (not isinstance(value, int) or value < 0):
                raise ValueError("renewal_draft_s is a number of seconds")
            setattr(self, name, tuple(int(day) for day in value) if name == "retry_days" else value)


class Core:
    def __init__(
        self,
        *,
        secret_key: str,
        publishable_key: str,
        clock: Clock,
        store: Store,
        seed: str | None = None,
    ) -> None:
        self.secret_key = secret_key
        self.publishable_key = publishable_key
        self.clock = clock
        self.store = store
        self.ids = Ids(seed, int(store.meta.get("ids", "0")))
        self.settings = Settings()
        self.settings.change(json.loads(store.meta.get("settings", "{}")))
        self.base_url = ""
        self.lock = threading.RLock()
        self.faults = Faults()
        self.in_progress = InProgress()
        self.requests = RequestLog()
        self.deliverer = Deliverer(store, self.begin, self.lock)
        self.broken: str | None = None
        self._moving = threading.Lock()
        self._agenda = due.Agenda()
        self._stops = due.Agenda(stops=True)
        for agenda in (self._agenda, self._stops):
            agenda.note(store.everything())
        self._stop = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="stripe-clock", daemon=True)

    def start(self) -> None:
        self.deliverer.start()
        self._ticker.start()

    def stop(self) -> None:
        self._stop.set()
        self._ticker.join(5)
        self.deliverer.stop()
        with self.lock:
            self.store.close()

    def reset(self) -> None:
        """Forgets every object, key, delivery, fault and request, and puts the settings back."""
        with self.lock:
            self.store.clear()
            self.faults.clear()
            self.requests.clear()
            self.settings = Settings()
            self.store.apply({}, {"settings": "{}"})
            self.broken = None
            self._agenda, self._stops = due.Agenda(), due.Agenda(stops=True)
            self.deliverer.set_mode("deliver")
            self.deliverer.log.clear()

    def change_settings(self, values: dict[str, Any]) -> None:
        """They last as long as the objects do. Raises ValueError for what is no setting, and then none is changed."""
        with self.lock:
            changed = replace(self.settings)
            changed.change(values)
            vars(self.settings).update(vars(changed))
            self.store.apply({}, {"settings": json.dumps(vars(self.settings))})

    # Units of work -----------------------------------------------------------------------------------------------

    def begin(self, *, now: int | None = None, request_id: str | None = None, key: str | None = None) -> Tx:
        return Tx(
            self.store,
            now=self.clock.now() if now is None else now,
            ids=self.ids,
            settings=self.settings,
            base_url=self.base_url,
            request_id=request_id,
            idempotency_key=key,
        )

    def commit(self, tx: Tx) -> None:
        changed = tx.commit()
        for agenda in (self._agenda, self._stops):
            agenda.note(changed.items())
        if any(kind == "_delivery" for kind, _ in changed):
            self.deliverer.wake()

    # Time --------------------------------------------------------------------------------------------------------

    def next_due(self) -> due.Due | None:
        """What time stops at next."""
        with self.lock:
            return self._stops.first()

    def run_due(self) -> None:
        """Does, in order, all that is due by now."""
        with self.lock:
            while (item := self._agenda.first()) is not None and item.at <= self.clock.now():
                tx = self.begin(now=item.at)
                due.perform(tx, item)
                self.commit(tx)

    def move(self, target: int | None) -> None:
        """Moves virtual time to `target`, or to the next due moment, stopping at each due moment on the way."""
        with self._moving:
            while (item := self.next_due()) is not None and (target is None or item.at <= target):
                self._arrive(item.at)
                if target is None:
                    return
            if target is not None:
                self._arrive(target)

    def _arrive(self, at: int) -> None:
        self.clock.move_to(at)
        self.deliverer.retry_now()
        self.run_due()
        self.deliverer.wait_quiet(QUIET_TIMEOUT_S)

    def _tick(self) -> None:
        while not self._stop.wait(TICK_S):
            try:
                self.run_due()
            except Exception:  # noqa: BLE001 - a defect here must be seen in /_sandbox/health, not end the clock unseen
                self.broken = traceback.format_exc()
                print(self.broken, flush=True)
                time.sleep(1)
