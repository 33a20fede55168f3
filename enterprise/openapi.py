"""How the description names an organisation's key."""

from drf_spectacular.extensions import OpenApiAuthenticationExtension

MADE = "From `POST /v1/b2b/credentials` or the organisation's page. Begins with `plr_`."


class ApiKey(OpenApiAuthenticationExtension):
    target_class = "enterprise.authentication.ApiKeyAuthentication"
    name = ["apiKey", "apiKeyHeader"]

    def get_security_requirement(self, auto_schema: object) -> list[dict[str, list[str]]]:  # noqa: ARG002
        """Either of the two."""
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: object) -> list[dict[str, str]]:  # noqa: ARG002
        return [
            {"type": "http", "scheme": "bearer", "bearerFormat": "plr_…", "description": MADE},
            {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": MADE},
        ]
