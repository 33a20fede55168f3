"""How the description names a person's token."""

from drf_spectacular.extensions import OpenApiAuthenticationExtension


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
