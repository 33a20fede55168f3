from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        from billing import books, checks, gauges, ratelimits, receivers, remedies  # noqa: F401 - two register themselves
        from billing.pages import panels, wallet

        ratelimits.register()
        remedies.register()
        panels.register("credits", wallet.panel, position=10)
