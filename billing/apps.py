from django.apps import AppConfig
from django.db.models.signals import post_migrate


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        from billing import books, checks, gauges, ratelimits, receivers, remedies  # noqa: F401 - two register themselves
        from billing.mirror_index import mirror_index_ensure
        from billing.pages import panels, wallet

        post_migrate.connect(mirror_index_ensure, sender=self)
        ratelimits.register()
        remedies.register()
        panels.register("credits", wallet.panel, position=10)
