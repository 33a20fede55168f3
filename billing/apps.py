from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        from billing import books, receivers, remedies  # noqa: F401 - the first two register themselves

        remedies.register()
