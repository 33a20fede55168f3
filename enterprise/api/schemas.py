"""Bodies of the B2B API, in and out."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from common.api import ApiSerializer, StrictCharField, StrictChoiceField, StrictIntegerField
from enterprise.enums import CredentialStatus, Scope
from enterprise.models import Credential
from enterprise.models.credentials import MAX_NAME_LENGTH
from enterprise.services.credentials import LONGEST_OVERLAP


class CredentialRequest(ApiSerializer):
    name = StrictCharField(max_length=MAX_NAME_LENGTH)
    scopes = serializers.ListField(
        child=StrictChoiceField(choices=Scope.choices), min_length=1, max_length=len(Scope)
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class RotationRequest(ApiSerializer):
    overlap_s = StrictIntegerField(
        required=False,
        default=0,
        min_value=0,
        max_value=int(LONGEST_OVERLAP.total_seconds()),
        help_text="For how many seconds the old key goes on working.",
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class CredentialData(serializers.Serializer[object]):
    """An API key without its secret. `last_used_at` is right to the minute."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    prefix = serializers.CharField()
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.choices))
    status = serializers.ChoiceField(choices=CredentialStatus.choices)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)
    rotated_from = serializers.UUIDField(allow_null=True)


class MadeCredentialData(CredentialData):
    secret = serializers.CharField(help_text="The whole key. Told here and never again.")


def credential_json(credential: Credential, *, now: Any) -> dict[str, Any]:
    """A credential object."""
    before = credential.rotated_from
    return {
        "id": credential.public_id,
        "name": credential.name,
        "prefix": credential.prefix,
        "scopes": credential.scopes,
        "status": credential.status_at(now),
        "created_at": credential.created_at,
        "expires_at": credential.expires_at,
        "revoked_at": credential.revoked_at,
        "last_used_at": credential.last_used_at,
        "rotated_from": before.public_id if before else None,
    }
