"""API keys. The key itself is nowhere: only its hash, and the part that names it."""

import uuid
from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from accounts.models import Account
from enterprise.enums import CredentialStatus, Scope

HASH_LENGTH = 32
MAX_NAME_LENGTH = 80


class Credential(models.Model):
    """An API key of an organisation.

    `prefix` is the part of the key that names it; `secret_hash` the SHA-256 of all of it. Rotation makes another
    credential (`rotated_from`) and ends this one after the overlap, by its `expires_at`. `last_used_at` is kept to
    the minute. `form_key`: the page's form, or the call with its Idempotency-Key, that made it and makes one only.
    """

    id = models.BigAutoField(primary_key=True)
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="credentials")
    name = models.CharField(max_length=MAX_NAME_LENGTH)
    prefix = models.CharField(max_length=32, unique=True)
    secret_hash = models.BinaryField(max_length=HASH_LENGTH, unique=True)
    scopes = ArrayField(models.CharField(max_length=24, choices=Scope.choices))
    rotated_from = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="successors")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    form_key = models.CharField(max_length=32, null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["account", "-created_at", "-id"], name="credential_by_account")
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(expires_at__isnull=True) | Q(expires_at__gte=F("created_at")),
                name="credential_expires_after_start",
            ),
            models.CheckConstraint(condition=~Q(scopes=[]), name="credential_has_scopes"),
            models.UniqueConstraint(fields=["account", "form_key"], name="credential_once_per_form"),
        ]

    def __str__(self) -> str:
        return self.prefix

    @property
    def caller(self) -> str:
        """Who calls, for rate limits and idempotency keys."""
        return f"credential:{self.pk}"

    def status_at(self, now: datetime) -> str:
        """Revoked, else expired, else active."""
        if self.revoked_at is not None:
            return CredentialStatus.REVOKED
        if self.expires_at is not None and self.expires_at <= now:
            return CredentialStatus.EXPIRED
        return CredentialStatus.ACTIVE
