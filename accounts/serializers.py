"""Bodies of the account API, in and out."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from accounts.enums import Channel, NotificationKind
from accounts.models import Language, Theme
from accounts.rules import LARGEST_THRESHOLD, MOST_THRESHOLDS, SMALLEST_THRESHOLD, Choices
from common.api import (
    ApiSerializer,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictIntegerField,
)
from common.plain_text import plain_line
from common.timezones import timezone_names

MAX_PASSWORD = 4096


class TokenRequest(ApiSerializer):
    email = StrictCharField(max_length=254)
    password = StrictCharField(max_length=MAX_PASSWORD, trim_whitespace=False)
    code = StrictCharField(
        max_length=16, required=False, help_text="Second factor, for those who turned it on."
    )


class TokenPairData(serializers.Serializer[object]):
    access = serializers.CharField()
    refresh = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds the access token is good for.")


class RefreshRequest(ApiSerializer):
    refresh = StrictCharField(max_length=4096)


class RevokedData(serializers.Serializer[object]):
    revoked = serializers.BooleanField()


class NotificationChoicesField(serializers.Field[Any, Any, Any, Any]):
    """`{kind: {channel: true or false}}`, of known kinds and channels."""

    default_error_messages = {
        "invalid": _("Give an object of kinds, each an object of ways with true or false."),
        "unknown": _("There is no such kind or way of notification."),
    }

    def to_internal_value(self, data: Any) -> Choices:
        if not isinstance(data, dict):
            self.fail("invalid")
        for kind, ways in data.items():
            if not isinstance(ways, dict) or not all(isinstance(on, bool) for on in ways.values()):
                self.fail("invalid")
            if kind not in NotificationKind.values or not set(ways) <= set(Channel.values):
                self.fail("unknown")
        return data

    def to_representation(self, value: Any) -> Any:
        return value


class SettingsRequest(ApiSerializer):
    display_name = StrictCharField(max_length=80, allow_blank=True, validators=[plain_line])
    language = StrictChoiceField(choices=Language.choices)
    timezone = StrictCharField(max_length=64, help_text="A name of the IANA time zone database.")
    theme = StrictChoiceField(choices=Theme.choices)
    notifications = NotificationChoicesField()
    usage_thresholds = serializers.ListField(
        child=StrictIntegerField(min_value=SMALLEST_THRESHOLD, max_value=LARGEST_THRESHOLD),
        max_length=MOST_THRESHOLDS,
        help_text="Percentages of a limit at which to be told. 100 is always told.",
    )

    def validate_timezone(self, value: str) -> str:
        if value not in timezone_names():
            raise serializers.ValidationError(_("There is no such time zone."), code="unknown_timezone")
        return value

    def validate_usage_thresholds(self, value: list[int]) -> list[int]:
        return sorted(set(value))


class SettingsData(serializers.Serializer[object]):
    display_name = serializers.CharField(allow_blank=True)
    language = serializers.ChoiceField(choices=Language.choices)
    timezone = serializers.CharField()
    theme = serializers.ChoiceField(choices=Theme.choices)
    notifications = NotificationChoicesField()
    usage_thresholds = serializers.ListField(child=serializers.IntegerField())


class PasswordRequest(ApiSerializer):
    current_password = StrictCharField(max_length=MAX_PASSWORD, trim_whitespace=False)
    new_password = StrictCharField(max_length=MAX_PASSWORD, trim_whitespace=False)


class DeletionRequest(ApiSerializer):
    password = StrictCharField(max_length=MAX_PASSWORD, trim_whitespace=False)
    confirm = StrictBooleanField(help_text="Has to be true.")

    def validate_confirm(self, value: bool) -> bool:
        if not value:
            raise serializers.ValidationError(_("Say true to delete the account."), code="required")
        return value


class DeletionData(serializers.Serializer[object]):
    status = serializers.ChoiceField(
        choices=["deleted", "pending"],
        help_text="`pending`: Stripe has to be waited for; it goes on by itself.",
    )


class PersonalData(serializers.Serializer[object]):
    account = serializers.DictField()
    billing = serializers.DictField()
    usage = serializers.DictField()
