"""API keys over the API. A key is in the one answer that makes it."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.schemas import EmptyRequest
from common import clock
from common.api import listed, paginate
from enterprise.api.base import B2bView
from enterprise.api.schemas import (
    CredentialData,
    CredentialRequest,
    MadeCredentialData,
    RotationRequest,
    credential_json,
)
from enterprise.enums import Scope
from enterprise.selectors import credentials_of
from enterprise.services import credential_create, credential_revoke, credential_rotate

NEWEST_FIRST = ("-created_at", "-id")


class CredentialsView(B2bView):
    """The organisation's API keys."""

    scopes = {"get": Scope.CREDENTIALS_WRITE, "post": Scope.CREDENTIALS_WRITE}
    idempotent = False  # the answer holds a secret

    @extend_schema(operation_id="b2b_credentials", responses=CredentialData(many=True))
    def get(self, request: Request) -> Response:
        """All keys, newest first, those that have ended too."""
        now = clock.now()
        rows, cursor = paginate(credentials_of(self.account.pk), request, order=NEWEST_FIRST)
        return listed([credential_json(row, now=now) for row in rows], cursor)

    @extend_schema(
        operation_id="b2b_credential_create", request=CredentialRequest, responses={201: MadeCredentialData}
    )
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Make a key. It can have no scope that the calling key lacks. `secret` is told here and never again."""
        now = clock.now()
        made = credential_create(
            account=self.account, actor=self.credential, now=now, **self.body(CredentialRequest)
        )
        return Response(
            credential_json(made.credential, now=now) | {"secret": made.secret},
            status=status.HTTP_201_CREATED,
        )


class CredentialRotationView(B2bView):
    """The succession of a key."""

    scopes = {"post": Scope.CREDENTIALS_WRITE}
    idempotent = False  # the answer holds a secret

    @extend_schema(
        operation_id="b2b_credential_rotate", request=RotationRequest, responses={201: MadeCredentialData}
    )
    def post(self, request: Request, credential_id: UUID) -> Response:  # noqa: ARG002
        """Make a successor with the same name and scopes; the old key ends after `overlap_s`."""
        now = clock.now()
        made = credential_rotate(
            account_id=self.account.pk,
            credential_id=credential_id,
            actor=self.credential,
            now=now,
            **self.body(RotationRequest),
        )
        return Response(
            credential_json(made.credential, now=now) | {"secret": made.secret},
            status=status.HTTP_201_CREATED,
        )


class CredentialRevocationView(B2bView):
    """The end of a key."""

    scopes = {"post": Scope.CREDENTIALS_WRITE}

    @extend_schema(operation_id="b2b_credential_revoke", request=EmptyRequest, responses=CredentialData)
    def post(self, request: Request, credential_id: UUID) -> Response:  # noqa: ARG002
        """End a key at once: every later call with it is refused. Revoking a revoked key changes nothing."""
        self.body(EmptyRequest)
        now = clock.now()
        credential = credential_revoke(
            account_id=self.account.pk, credential_id=credential_id, actor=self.credential, now=now
        )
        return Response(credential_json(credential, now=now))
