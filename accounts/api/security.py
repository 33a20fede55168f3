"""What keeps an account safe, for programs: where one is signed in, and two-factor sign-in."""

from __future__ import annotations

from dataclasses import asdict

from allauth.account.adapter import get_adapter
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.errors import TwoFactorNotOn, TwoFactorOn
from accounts.selectors import person_of
from accounts.serializers import MAX_PASSWORD
from accounts.sign_ins import SignInKind, sign_in_end, sign_ins, sign_ins_end
from accounts.two_factor import (
    recovery_codes_renew,
    two_factor_begin,
    two_factor_confirm,
    two_factor_off,
    two_factor_state,
)
from common.api import ApiSerializer, ApiView, StrictCharField, listed, paginate_list


class SessionData(serializers.Serializer[object]):
    id = serializers.CharField()
    kind = serializers.ChoiceField(choices=[one.value for one in SignInKind])
    created_at = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField()
    ip = serializers.CharField(allow_null=True, help_text="Null for programs.")
    user_agent = serializers.CharField(allow_blank=True)


class EndedData(serializers.Serializer[object]):
    ended = serializers.IntegerField(help_text="How many were signed out.")


class PasswordOnly(ApiSerializer):
    password = StrictCharField(max_length=MAX_PASSWORD, trim_whitespace=False)


class ConfirmRequest(ApiSerializer):
    setup = StrictCharField(max_length=1000, help_text="As `POST /v1/account/two-factor` answered it.")
    code = StrictCharField(max_length=16, help_text="What the authenticator app shows now.")


class TwoFactorData(serializers.Serializer[object]):
    is_on = serializers.BooleanField()
    recovery_codes_left = serializers.IntegerField()


class SetupData(serializers.Serializer[object]):
    secret = serializers.CharField(help_text="For typing into an authenticator app.")
    uri = serializers.CharField(help_text="The same as `otpauth://…`, for a QR code.")
    setup = serializers.CharField(help_text="Goes back with the first code, within 15 minutes.")


class RecoveryCodesData(serializers.Serializer[object]):
    recovery_codes = serializers.ListField(child=serializers.CharField())


class SessionsView(ApiView):
    """Where the caller is signed in."""

    @extend_schema(operation_id="account_sessions", responses=SessionData(many=True))
    def get(self, request: Request) -> Response:
        """Browsers and programs, the one seen last first."""
        items, cursor = paginate_list(sign_ins(person_of(request)), request, key=lambda one: one.id)
        return listed([asdict(one) for one in items], cursor)

    @extend_schema(operation_id="account_sessions_end", responses=EndedData)
    def delete(self, request: Request) -> Response:
        """Sign out everywhere, here too: access tokens are good for minutes yet, and get no other."""
        return Response({"ended": sign_ins_end(user=person_of(request))})


class SessionView(ApiView):
    """One of them."""

    @extend_schema(operation_id="account_session_end", responses=EndedData)
    def delete(self, request: Request, session_id: str) -> Response:
        """Sign it out."""
        sign_in_end(user=person_of(request), sign_in_id=session_id)
        return Response({"ended": 1})


class _TwoFactorChange(ApiView):
    """Guesses are counted with those of the password; answers hold secrets."""

    rate_limits = ("global", "user", "password")
    idempotent = False

    def tell(self, request: Request, mail: str) -> None:
        """By mail, as the pages do. That it cannot be sent undoes nothing: the log says so."""
        get_adapter(request._request).send_notification_mail(f"mfa/email/{mail}", person_of(request))


class TwoFactorView(_TwoFactorChange):
    """Two-factor sign-in."""

    errors = (TwoFactorOn,)

    @extend_schema(operation_id="account_two_factor", responses=TwoFactorData)
    def get(self, request: Request) -> Response:
        """Whether it is on."""
        return Response(asdict(two_factor_state(person_of(request))))

    @extend_schema(operation_id="account_two_factor_begin", request=PasswordOnly, responses=SetupData)
    def post(self, request: Request) -> Response:
        """A secret for the authenticator app. Nothing is on until a code of it is confirmed."""
        begun = two_factor_begin(user=person_of(request), **self.body(PasswordOnly))
        return Response({"secret": begun.secret, "uri": begun.uri, "setup": begun.token})


class TwoFactorConfirmView(_TwoFactorChange):
    """Turning it on."""

    errors = (TwoFactorOn,)

    @extend_schema(
        operation_id="account_two_factor_confirm", request=ConfirmRequest, responses=RecoveryCodesData
    )
    def post(self, request: Request) -> Response:
        """On from now on. Keep the recovery codes: each opens once when the phone is lost. A mail tells."""
        codes = two_factor_confirm(user=person_of(request), **self.body(ConfirmRequest))
        self.tell(request, "totp_activated")
        return Response({"recovery_codes": codes})


class RecoveryCodesView(_TwoFactorChange):
    """The codes for when the phone is lost."""

    errors = (TwoFactorNotOn,)

    @extend_schema(
        operation_id="account_recovery_codes_renew", request=PasswordOnly, responses=RecoveryCodesData
    )
    def post(self, request: Request) -> Response:
        """New ones; those before work no longer. A mail tells."""
        codes = recovery_codes_renew(user=person_of(request), **self.body(PasswordOnly))
        self.tell(request, "recovery_codes_generated")
        return Response({"recovery_codes": codes})


class TwoFactorOffView(_TwoFactorChange):
    """Turning it off."""

    errors = (TwoFactorNotOn,)

    @extend_schema(operation_id="account_two_factor_off", request=PasswordOnly, responses=TwoFactorData)
    def post(self, request: Request) -> Response:
        """The password alone is enough from now on. A mail tells."""
        two_factor_off(user=person_of(request), **self.body(PasswordOnly))
        self.tell(request, "totp_deactivated")
        return Response(asdict(two_factor_state(person_of(request))))
