"""Personas as billing knows them: stored things of a capacity, of which a smaller plan has fewer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from billing.stored import StoredThing
from common.errors import NotFound
from quotas.errors import MeteringRefused
from showcase import keeping, selectors


class PersonaStore:
    """Answers and acts for the metric `personas`."""

    def in_use(self, account_id: int) -> Sequence[StoredThing]:
        return selectors.personas_in_use(account_id)

    def archived(self, account_id: int) -> Sequence[StoredThing]:
        return selectors.personas_archived(account_id)

    def archive(self, account_id: int, ids: Sequence[str], now: datetime) -> int:
        return keeping.personas_archive(account_id=account_id, ids=ids, now=now)

    def restore(self, account_id: int, id_: str, now: datetime) -> bool:
        try:
            keeping.persona_restore(account_id=account_id, persona_id=UUID(id_), now=now)
        except (MeteringRefused, NotFound):
            return False
        return True
