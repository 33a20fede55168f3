"""How the description names a person's token."""

from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerFieldExtension


class UserToken(OpenApiAuthenticationExtension):
    target_class = "accounts.authentication.JwtAuthentication"
    name = "userToken"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:  # noqa: ARG002
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "From `POST /v1/auth/token`.",
        }


class NotificationChoices(OpenApiSerializerFieldExtension):
    target_class = "accounts.serializers.NotificationChoicesField"

    def map_serializer_field(self, auto_schema: object, direction: str) -> dict[str, object]:  # noqa: ARG002
        from accounts.enums import Channel, NotificationKind

        ways = {channel: {"type": "boolean"} for channel in Channel.values}
        kind = {"type": "object", "properties": ways, "additionalProperties": False}
        kinds = dict.fromkeys(NotificationKind.values, kind)
        return {"type": "object", "properties": kinds, "additionalProperties": False}
