from django.apps import AppConfig


class ProjectConfig(AppConfig):
    """The project itself, as an app, so that its checks are known to every command."""

    name = "config"

    def ready(self) -> None:
        from config import checks  # noqa: F401 - registers them
        from config.administration import administration_narrow

        administration_narrow()
