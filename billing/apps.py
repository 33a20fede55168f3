from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        from billing import books, checks, gauges, ratelimits, receivers, remedies  # noqa: F401 - two register themselves

        ratelimits.register()
        remedies.register()
