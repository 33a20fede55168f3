"""Who is asked to join an organisation, and which are closed. Who belongs to one is accounts.Membership."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from accounts.models import Account, Role


class Invitation(models.Model):
    """An offer of a role, mailed to an address. Open until it is accepted, withdrawn or expired; one open per address.

    `token_hash`: SHA-256 of what the mailed link carries, which is nowhere else.
    """

    id = models.BigAutoField(primary_key=True)
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField(max_length=254)
    role = models.CharField(max_length=9, choices=Role.choices)
    token_hash = models.BinaryField(max_length=32, unique=True)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "email"], condition=Q(closed_at__isnull=True), name="invitation_one_open"
            ),
            models.CheckConstraint(
                condition=Q(accepted_by__isnull=True) | Q(closed_at__isnull=False),
                name="invitation_taken_is_closed",
            ),
        ]

    def __str__(self) -> str:
        return f"invitation {self.pk}"


class Closing(models.Model):
    """An organisation that one of its owners has closed: nobody belongs to it, which no other may be without an owner."""

    account = models.OneToOneField(
        Account, primary_key=True, on_delete=models.CASCADE, related_name="closing"
    )
    closed_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.account_id)
