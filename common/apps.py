from django.apps import AppConfig


class CommonConfig(AppConfig):
    name = "common"

    def ready(self) -> None:
        # REST framework's views load our renderer, and our base view loads REST framework's views: this order works
        # whichever of them an app imports first.
        from common import (
            api,  # noqa: F401
            gauges,  # noqa: F401 - registers them
        )
