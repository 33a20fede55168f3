"""Making, rotating, revoking and recognising API keys.

`actor` is the person who acts, the key by which it is done, or who at a shell; the trail names it.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.utils.translation import gettext as _

from accounts.enums import Permission
from accounts.locks import lock_account
from accounts.models import Account, User
from common import audit
from common.clock import database_now
from common.errors import NotFound, ValidationError
from common.plain_text import HIDDEN, is_plain_line
from enterprise import metrics
from enterprise.enums import CredentialStatus, KeyFailure, Scope
from enterprise.errors import InvalidApiKey, KeyMadeAlready, ScopeMissing
from enterprise.models import Credential
from enterprise.models.credentials import MAX_NAME_LENGTH
from enterprise.rules import keys
from enterprise.rules.scopes import scopes_of
from enterprise.sampling import Sampler
from enterprise.selectors import credential_found, credentials_of
from enterprise.selectors.members import role_checked

MOST_ACTIVE = 100
LONGEST_OVERLAP = timedelta(days=7)
# What has an end gets a successor that lives as long: that must be a moment, too.
LONGEST_LIFE = timedelta(days=36525)
USE_KEPT_TO = timedelta(minutes=1)
NOBODY = bytes(32)

_failures = Sampler(period_s=60)


@dataclass(frozen=True, slots=True)
class MadeCredential:
    """A new credential and its key, which is told once and never again."""

    credential: Credential
    secret: str

    def __repr__(self) -> str:
        return f"MadeCredential({self.credential.prefix})"


@transaction.atomic
def credential_create(
    *,
    account: Account,
    name: str,
    scopes: Iterable[str],
    actor: User | Credential | None,
    expires_at: datetime | None = None,
    form_key: str | None = None,
    now: datetime,
) -> MadeCredential:
    """A new key. ScopeMissing when a key or a person's role would hand on more than it has; ValidationError for what
    cannot be; RoleMissing for a person who may not make keys; KeyMadeAlready when `form_key` made one before.
    """
    lock_account(account.pk)
    _check_first(account.pk, form_key)
    _check_room(account.pk, now)
    made = _insert(
        account_id=account.pk,
        name=name,
        scopes=_known_scopes(scopes),
        actor=actor,
        expires_at=expires_at,
        form_key=form_key,
        now=now,
    )
    _audit("credential.created", made.credential, actor, now)
    return made


@transaction.atomic
def credential_rotate(
    *,
    account_id: int,
    credential_id: UUID,
    actor: User | Credential | str | None,
    overlap_s: int = 0,
    expires_at: datetime | None = None,
    form_key: str | None = None,
    reason: str = "",
    now: datetime,
) -> MadeCredential:
    """Another key with the same name and scopes. The old one works for `overlap_s` more seconds, 0 to 7 days.

    A key that was made for some time gets a successor for as long, unless `expires_at` says otherwise. NotFound,
    ScopeMissing; ValidationError when the key is revoked or expired already; KeyMadeAlready as in credential_create.
    """
    if not 0 <= overlap_s <= LONGEST_OVERLAP.total_seconds():
        raise ValidationError.of("overlap_s", "out_of_range", _("Give 0 to 604800 seconds."))
    overlap = timedelta(seconds=overlap_s)
    lock_account(account_id)
    old = _locked(account_id, credential_id)
    _check_first(account_id, form_key)
    if old.status_at(now) != CredentialStatus.ACTIVE:
        raise ValidationError.of("id", "not_active", _("This key has ended. Make a new one."))
    _check_room(account_id, now)
    made = _insert(
        account_id=account_id,
        name=old.name,
        scopes=old.scopes,
        actor=actor,
        expires_at=expires_at or (now + (old.expires_at - old.created_at) if old.expires_at else None),
        rotated_from=old,
        form_key=form_key,
        now=now,
    )
    old.expires_at = min(now + overlap, old.expires_at or now + overlap)
    old.save(update_fields=["expires_at"])
    _audit(
        "credential.rotated",
        old,
        actor,
        now,
        reason=reason,
        successor=made.credential.prefix,
        overlap_s=overlap_s,
    )
    return made


@transaction.atomic
def credential_revoke(
    *, account_id: int, credential_id: UUID, actor: User | Credential | None, reason: str = "", now: datetime
) -> Credential:
    """End a key at once, everywhere: every call that comes after the commit is refused. Twice is once.

    NotFound; RoleMissing for a person who may not manage keys.
    """
    if isinstance(actor, User) and not actor.is_staff:
        role_checked(account_id=account_id, user=actor, permission=Permission.KEYS)
    credential = _locked(account_id, credential_id)
    if credential.revoked_at is None:
        credential.revoked_at = now
        credential.save(update_fields=["revoked_at"])
        _audit("credential.revoked", credential, actor, now, reason=reason)
    return credential


def credential_authenticate(*, key: str) -> Credential:
    """Whose key this is, with the account. InvalidApiKey, which is counted and, once a minute, written to the trail.

    The database is asked each time, so that revocation and expiry hold for the next call on every process.
    """
    sent = keys.parse(key)
    if sent is None:
        raise key_refused(KeyFailure.MALFORMED, None)
    found = credential_found(sent.prefix)
    kept = bytes(found[0].secret_hash) if found else NOBODY
    if not hmac.compare_digest(kept, sent.digest) or found is None:
        raise key_refused(KeyFailure.UNKNOWN, found[0] if found else None)
    credential, now = found
    if (status := credential.status_at(now)) != CredentialStatus.ACTIVE:
        raise key_refused(KeyFailure(status), credential)
    if credential.last_used_at is None or now - credential.last_used_at >= USE_KEPT_TO:
        _note_use(credential.pk, now)
    return credential


def key_refused(failure: KeyFailure, credential: Credential | None) -> InvalidApiKey:
    """The error for a key that lets nobody in. Who tries often is written down once a minute and process, and counted."""
    metrics.AUTH_FAILURES.labels(failure).inc()
    times = _failures.take((credential.pk if credential else None, failure))
    if times is not None:
        audit.record(
            actor="stranger",
            account_id=credential.account_id if credential else None,
            action="credential.refused",
            subject=credential.prefix if credential else "",
            data={"reason": failure.value, "times": times},
            now=database_now(),
        )
    return InvalidApiKey(failure.label, details={"reason": failure.value})


def _note_use(credential_id: int, now: datetime) -> None:
    """At most once a minute; of many calls at once one writes and none waits."""
    with connection.cursor() as cursor:
        cursor.execute(NOTE_USE, {"id": credential_id, "at": now, "before": now - USE_KEPT_TO})


NOTE_USE = """
UPDATE enterprise_credential SET last_used_at = %(at)s WHERE id IN (
  SELECT id FROM enterprise_credential
  WHERE id = %(id)s AND (last_used_at IS NULL OR last_used_at <= %(before)s)
  FOR NO KEY UPDATE SKIP LOCKED)
"""


def _insert(
    *,
    account_id: int,
    name: str,
    scopes: Collection[str],
    actor: User | Credential | str | None,
    expires_at: datetime | None,
    now: datetime,
    rotated_from: Credential | None = None,
    form_key: str | None = None,
) -> MadeCredential:
    _check_holds(account_id, actor, scopes)
    if expires_at is not None and expires_at <= now:
        raise ValidationError.of("expires_at", "past", _("This moment has passed."))
    if expires_at is not None and expires_at - now > LONGEST_LIFE:
        raise ValidationError.of("expires_at", "out_of_range", _("Give a moment within 100 years, or none."))
    key = keys.compose(
        live=settings.STRIPE_LIVE_MODE,
        name=secrets.randbits(59),
        proof=secrets.randbits(keys.PROOF_BITS),
    )
    credential = Credential.objects.create(
        account_id=account_id,
        name=_clean_name(name),
        prefix=key.prefix,
        secret_hash=key.digest,
        scopes=sorted(scopes),
        rotated_from=rotated_from,
        form_key=form_key,
        created_by=actor if isinstance(actor, User) else None,
        created_at=now,
        expires_at=expires_at,
    )
    return MadeCredential(credential, key.text)


def _check_first(account_id: int, form_key: str | None) -> None:
    """A form pressed twice, or a call sent twice, makes one key. Under the account's lock; a constraint holds it too."""
    made = form_key and Credential.objects.filter(account_id=account_id, form_key=form_key).first()
    if made:
        raise KeyMadeAlready(made)


def _locked(account_id: int, credential_id: UUID) -> Credential:
    found = Credential.objects.filter(account_id=account_id, public_id=credential_id)
    credential = found.select_for_update(no_key=True).first()
    if credential is None:
        raise NotFound
    return credential


def _check_room(account_id: int, now: datetime) -> None:
    active = credentials_of(account_id).filter(revoked_at=None).exclude(expires_at__lte=now).count()
    if active >= MOST_ACTIVE:
        raise ValidationError.of(
            "name", "too_many", _("There are %(most)s active keys. Revoke one first.") % {"most": MOST_ACTIVE}
        )


def _known_scopes(scopes: Iterable[str]) -> set[str]:
    wanted = set(scopes)
    if not wanted or wanted - set(Scope.values):
        raise ValidationError.of("scopes", "invalid_choice", _("Name at least one scope that exists."))
    return wanted


def _check_holds(account_id: int, actor: Any, scopes: Collection[str]) -> None:
    """Nobody hands on more than they have: else a key or a person that may make keys could do everything."""
    if actor is None or isinstance(actor, str):  # an operator at a shell, who has the database itself
        return
    if isinstance(actor, Credential):
        held = sorted(actor.scopes)
    else:
        role = role_checked(account_id=account_id, user=actor, permission=Permission.KEYS)
        held = [scope.value for scope in scopes_of(role)]
    if lacking := sorted(set(scopes) - set(held)):
        raise ScopeMissing(details={"required": lacking, "scopes": held})


def _clean_name(name: str) -> str:
    cleaned = " ".join(name.split())
    if not cleaned:
        raise ValidationError.of("name", "blank", _("Give the key a name."))
    if not is_plain_line(cleaned):
        raise ValidationError.of("name", "hidden_characters", str(HIDDEN))
    if len(cleaned) > MAX_NAME_LENGTH:
        raise ValidationError.of(
            "name",
            "max_length",
            _("A key’s name has at most %(most)s characters.") % {"most": MAX_NAME_LENGTH},
        )
    return cleaned


def _audit(
    action: str,
    credential: Credential,
    actor: User | Credential | str | None,
    now: datetime,
    *,
    reason: str = "",
    **more: Any,
) -> None:
    audit.record(
        actor=f"key {actor.prefix}" if isinstance(actor, Credential) else actor,
        account_id=credential.account_id,
        action=action,
        subject=credential.prefix,
        reason=reason,
        data={"name": credential.name, "scopes": credential.scopes, **more},
        now=now,
    )
