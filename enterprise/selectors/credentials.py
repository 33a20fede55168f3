"""Reading API keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import DateTimeField, Func, QuerySet

from common.errors import NotFound
from enterprise.models import Credential


def credential_found(prefix: str) -> tuple[Credential, datetime] | None:
    """The credential of that prefix with its account, and the database's now: one question for each B2B call.

    Never from a cache: what is revoked or expired is so for the next call of every process.
    """
    found: Any = (
        Credential.objects.select_related("account")
        .annotate(asked_at=Func(function="palier_now", output_field=DateTimeField()))
        .filter(prefix=prefix)
        .first()
    )
    return None if found is None else (found, found.asked_at)


def credentials_of(account_id: int) -> QuerySet[Credential]:
    """All keys of the account, revoked and expired ones too."""
    return Credential.objects.filter(account_id=account_id).select_related("rotated_from")


def credential_get(*, account_id: int, credential_id: UUID) -> Credential:
    """The account's credential; NotFound for an unknown one and for another account's alike."""
    found = credentials_of(account_id).filter(public_id=credential_id).first()
    if found is None:
        raise NotFound
    return found


def credential_public_ids(account_id: int) -> dict[int | None, UUID]:
    """The id that callers know of each of the account's keys, by its own."""
    return dict(Credential.objects.filter(account_id=account_id).values_list("pk", "public_id"))
