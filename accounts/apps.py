from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts import erasing, news_admin, openapi, personal  # noqa: F401 - two register themselves

        personal.register(personal.Holder("account", erasing.export, erasing.erase))
