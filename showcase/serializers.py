"""Bodies of the sample product's API, in and out."""

from __future__ import annotations

import json
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from common.api import ApiSerializer, StrictCharField
from quotas.api import QuotaSerializer
from showcase.models import MAX_NAME_LENGTH, MAX_TEXT_LENGTH

MAX_TRAITS_LENGTH = 4_000


class TraitsField(serializers.JSONField):
    """Any JSON value but null, kept as it was given."""

    default_error_messages = {
        "max_length": _("Ensure this field has no more than {max_length} characters as JSON.")
    }

    def to_internal_value(self, data: Any) -> Any:
        if len(json.dumps(data, ensure_ascii=False)) > MAX_TRAITS_LENGTH:
            self.fail("max_length", max_length=MAX_TRAITS_LENGTH)
        return super().to_internal_value(data)


class MessageRequest(ApiSerializer):
    text = StrictCharField(max_length=MAX_TEXT_LENGTH)


class MessageData(serializers.Serializer[object]):
    id = serializers.UUIDField()
    text = serializers.CharField()
    reply = serializers.CharField()


class MessageSentData(MessageData):
    quota = QuotaSerializer()


class PastMessageData(MessageData):
    created_at = serializers.DateTimeField()


class PersonaRequest(ApiSerializer):
    name = StrictCharField(max_length=MAX_NAME_LENGTH)
    traits = TraitsField(required=False, default=dict, help_text="A text, a list or an object.")


class PersonaData(serializers.Serializer[object]):
    id = serializers.UUIDField()
    name = serializers.CharField()
    traits = serializers.JSONField()
    created_at = serializers.DateTimeField()
    archived_at = serializers.DateTimeField(allow_null=True)


class PersonaActRequest(ApiSerializer):
    """No body, or an empty object."""


class PersonaExportData(serializers.Serializer[object]):
    persona = PersonaData()
    exported_at = serializers.DateTimeField()
