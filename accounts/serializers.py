"""Bodies of the account API, in and out."""

from rest_framework import serializers

from common.api import ApiSerializer, StrictCharField

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
