"""API keys over the API. A key is in the one answer that makes it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.schemas import EmptyRequest
from common import clock
from common.api import listed, paginate
from common.callers import caller_of
from common.errors import IdempotencyKeyReused
from common.idempotency import Call
from common.openapi import raises
from enterprise.api.base import B2bView
from enterprise.api.schemas import (
    CredentialData,
    CredentialRequest,
    MadeCredentialData,
    RotationRequest,
    credential_json,
)
from enterprise.enums import Scope
from enterprise.errors import KeyMadeAlready
from enterprise.models import Credential
from enterprise.selectors import credentials_of
from enterprise.services import credential_create, credential_revoke, credential_rotate

NEWEST_FIRST = ("-created_at", "-id")
ONCE = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description=(
        "The same key again makes no second API key. The first answer is not kept, since it holds the secret: a repeat is"
        " answered 409 `key_made_already`, which names the API key that was made."
    ),
    pattern=r"^[\x20-\x7E]{1,255}$",
)


class KeyMakingView(B2bView):
    """Base of what answers with a new key: once for an Idempotency-Key, and the answer is not kept."""

    idempotent = False  # the answer holds a secret

    @property
    def call_key(self) -> str | None:
        """What the call and its repeats are known by; no other caller's or address' is the same."""
        key = self.request.META.get("HTTP_IDEMPOTENCY_KEY")
        if key is None:
            return None
        path = self.request.path
        return Call.of(
            scope=caller_of(self.request), key=key, method="POST", path=path, query="", body=b""
        ).id.hex


class CredentialsView(KeyMakingView):
    """The organisation's API keys."""

    scopes = {"get": Scope.CREDENTIALS_WRITE, "post": Scope.CREDENTIALS_WRITE}

    @extend_schema(operation_id="b2b_credentials", responses=CredentialData(many=True))
    def get(self, request: Request) -> Response:
        """All keys, newest first, those that have ended too."""
        now = clock.now()
        rows, cursor = paginate(credentials_of(self.account.pk), request, order=NEWEST_FIRST)
        return listed([credential_json(row, now=now) for row in rows], cursor)

    @raises(KeyMadeAlready, IdempotencyKeyReused)
    @extend_schema(
        operation_id="b2b_credential_create",
        request=CredentialRequest,
        responses={201: MadeCredentialData},
        parameters=[ONCE],
    )
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Make a key. It can have no scope that the calling key lacks. `secret` is told here and never again."""
        now, asked = clock.now(), self.body(CredentialRequest)
        try:
            made = credential_create(
                account=self.account, actor=self.credential, form_key=self.call_key, now=now, **asked
            )
        except KeyMadeAlready as error:
            if _is_other(error.made, **asked):
                raise IdempotencyKeyReused from error
            raise
        return Response(
            credential_json(made.credential, now=now) | {"secret": made.secret},
            status=status.HTTP_201_CREATED,
        )


class CredentialRotationView(KeyMakingView):
    """The succession of a key."""

    scopes = {"post": Scope.CREDENTIALS_WRITE}

    @raises(KeyMadeAlready)
    @extend_schema(
        operation_id="b2b_credential_rotate",
        request=RotationRequest,
        responses={201: MadeCredentialData},
        parameters=[ONCE],
    )
    def post(self, request: Request, credential_id: UUID) -> Response:  # noqa: ARG002
        """Make a successor with the same name and scopes; the old key ends after `overlap_s`."""
        now = clock.now()
        made = credential_rotate(
            account_id=self.account.pk,
            credential_id=credential_id,
            actor=self.credential,
            form_key=self.call_key,
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


def _is_other(made: Credential, *, name: str, scopes: list[str], expires_at: datetime | None) -> bool:
    """Whether what is asked for now is not the key that the same Idempotency-Key has made."""
    wanted: tuple[Any, ...] = (" ".join(name.split()), sorted(set(scopes)), expires_at)
    return wanted != (made.name, made.scopes, made.expires_at)
