"""The sample product over HTTP, and how metering looks from outside: one line above a view."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request

from accounts.models import User
from accounts.permissions import IsUser
from accounts.selectors import account_of
from common import clock
from common.api import ApiView, listed, paginate
from common.api.views import Response
from common.openapi import raises
from common.request_id import current_request_id
from quotas.decorators import METERING_ERRORS, metered, requires_feature
from quotas.serialize import quota_headers, quota_json
from showcase import keeping, selectors, services
from showcase.models import Persona
from showcase.serializers import (
    MessageRequest,
    MessageSentData,
    PastMessageData,
    PersonaActRequest,
    PersonaData,
    PersonaExportData,
    PersonaRequest,
)

NEWEST_FIRST = ("-created_at", "id")


class MessagesView(ApiView):
    """Questions to the oracle."""

    permission_classes = [IsUser]

    @extend_schema(operation_id="chat_send", request=MessageRequest, responses=MessageSentData)
    @metered("messages")
    def post(self, request: Request) -> Response:
        """Ask; the reply tells what the sky shows about what the text names. Counts one message."""
        text = self.body(MessageRequest)["text"]
        account = account_of(request)
        message = services.message_send(
            account=account,
            user=cast("User", request.user),
            text=text,
            message_id=request.call_id,  # type: ignore[attr-defined]
            now=clock.now(),
        )
        data = {"id": message.pk, "text": message.text, "reply": message.reply}
        bound = request.metering.bound  # type: ignore[attr-defined]
        return Response(data | {"quota": quota_json(bound)})

    @extend_schema(operation_id="chat_history", responses=PastMessageData(many=True))
    @requires_feature("history")
    def get(self, request: Request) -> Response:
        """Past messages, newest first."""
        rows, cursor = paginate(selectors.conversation(account_of(request).pk), request, order=NEWEST_FIRST)
        return listed([PastMessageData(row).data for row in rows], cursor)


class PersonasView(ApiView):
    """The personas an account keeps."""

    permission_classes = [IsUser]

    @extend_schema(operation_id="personas_list", responses=PersonaData(many=True))
    def get(self, request: Request) -> Response:
        """All personas, newest first. Archived ones have `archived_at`: a smaller plan had no room for them. They are
        kept and come back with a larger plan, or one by one with `…/restore` where there is room.
        """
        rows, cursor = paginate(selectors.personas(account_of(request).pk), request, order=NEWEST_FIRST)
        return listed([_persona_json(row) for row in rows], cursor)

    @extend_schema(operation_id="personas_create", request=PersonaRequest, responses={201: PersonaData})
    @raises(*METERING_ERRORS)
    def post(self, request: Request) -> Response:
        """Make a persona. It takes a unit of the plan's capacity until it is removed."""
        data = self.body(PersonaRequest)
        persona, decision = keeping.persona_create(
            account=account_of(request),
            name=data["name"],
            traits=data["traits"],
            persona_id=request.call_id,  # type: ignore[attr-defined]
            request_id=current_request_id(),
            now=clock.now(),
        )
        return Response(
            _persona_json(persona),
            status=status.HTTP_201_CREATED,
            headers=quota_headers(decision.deciding),
        )


class PersonaView(ApiView):
    """One persona."""

    permission_classes = [IsUser]

    @extend_schema(operation_id="personas_get", responses=PersonaData)
    def get(self, request: Request, persona_id: UUID) -> Response:
        persona = selectors.persona_get(account_id=account_of(request).pk, persona_id=persona_id)
        return Response(_persona_json(persona))

    @extend_schema(operation_id="personas_delete", responses={204: None})
    def delete(self, request: Request, persona_id: UUID) -> Response:
        """Remove it and give its unit back."""
        keeping.persona_delete(account_id=account_of(request).pk, persona_id=persona_id, now=clock.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class PersonaRestoreView(ApiView):
    """An archived persona, back in use."""

    permission_classes = [IsUser]

    @extend_schema(operation_id="personas_restore", request=PersonaActRequest, responses=PersonaData)
    @raises(*METERING_ERRORS)
    def post(self, request: Request, persona_id: UUID) -> Response:
        """Bring it back where the plan has room. One that is in use stays as it is."""
        self.body(PersonaActRequest)
        persona, decision = keeping.persona_restore(
            account_id=account_of(request).pk,
            persona_id=persona_id,
            request_id=current_request_id(),
            now=clock.now(),
        )
        headers = quota_headers(decision.deciding) if decision else None
        return Response(_persona_json(persona), headers=headers)


class PersonaExportView(ApiView):
    """A persona to take away."""

    permission_classes = [IsUser]

    @extend_schema(operation_id="personas_export", request=PersonaActRequest, responses=PersonaExportData)
    @requires_feature("export")
    @metered("exports")
    def post(self, request: Request, persona_id: UUID) -> Response:
        """The persona as a document. Counts one export."""
        self.body(PersonaActRequest)
        persona = selectors.persona_get(account_id=account_of(request).pk, persona_id=persona_id)
        document = services.persona_export(persona=persona, now=clock.now())
        return Response(document | {"persona": _persona_json(persona)})


def _persona_json(persona: Persona) -> Any:
    return PersonaData(persona).data
