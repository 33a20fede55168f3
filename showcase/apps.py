from django.apps import AppConfig


class ShowcaseConfig(AppConfig):
    name = "showcase"

    def ready(self) -> None:
        from billing import stored
        from showcase import selectors, services

        stored.register(services.PERSONAS, selectors.personas_kept)
