from django.apps import AppConfig


class ShowcaseConfig(AppConfig):
    name = "showcase"

    def ready(self) -> None:
        from billing import stored
        from showcase import receivers, retention  # noqa: F401 - they register themselves
        from showcase.keeping import PERSONAS
        from showcase.store import PersonaStore

        stored.register(PERSONAS, PersonaStore())
