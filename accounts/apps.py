from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts import erasing, openapi, personal, two_factor  # noqa: F401 - openapi registers itself

        personal.register(personal.Holder("account", erasing.export, erasing.erase))
        two_factor.codes_open_once()
