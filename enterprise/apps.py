from django.apps import AppConfig


class EnterpriseConfig(AppConfig):
    name = "enterprise"

    def ready(self) -> None:
        from enterprise import openapi, ratelimits, remedies, usage_keys  # noqa: F401 - the first registers itself

        ratelimits.register()
        remedies.register()
        usage_keys.connect()
