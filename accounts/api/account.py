"""The caller's own settings and password."""

from typing import Any

from allauth.account.adapter import get_adapter
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import tokens
from accounts.deletion import account_delete, personal_data
from accounts.selectors import person_of
from accounts.serializers import (
    DeletionData,
    DeletionRequest,
    PasswordRequest,
    PersonalData,
    SettingsData,
    SettingsRequest,
    TokenPairData,
)
from accounts.settings import password_change, settings_json, settings_update
from common import clock
from common.api import ApiView
from common.errors import ServiceUnavailable
from common.request_id import current_request_id


class SettingsView(ApiView):
    """Name, language, time zone, theme, notifications, thresholds."""

    @extend_schema(operation_id="account_settings", responses=SettingsData)
    def get(self, request: Request) -> Response:
        """The settings, complete."""
        return Response(settings_json(person_of(request)))

    @extend_schema(operation_id="account_settings_replace", request=SettingsRequest, responses=SettingsData)
    def put(self, request: Request) -> Response:
        """Replace all settings; every field must be there."""
        return self._update(request, self.body(SettingsRequest), replace=True)

    @extend_schema(
        operation_id="account_settings_change", request=SettingsRequest(partial=True), responses=SettingsData
    )
    def patch(self, request: Request) -> Response:
        """Change some settings. Notification choices that are not named stay as they are."""
        return self._update(request, self.body(SettingsRequest, partial=True), replace=False)

    def _update(self, request: Request, changes: dict[str, Any], *, replace: bool) -> Response:
        user = settings_update(user=person_of(request), changes=changes, replace=replace)
        return Response(settings_json(user))


class PasswordView(ApiView):
    """The caller's password."""

    rate_limits = ("global", "user", "password")
    idempotent = False  # the answer holds tokens

    @extend_schema(operation_id="account_password", request=PasswordRequest, responses=TokenPairData)
    def post(self, request: Request) -> Response:
        """Change the password. All tokens so far stop working; the answer has a new pair for this client. A mail tells."""
        user = password_change(user=person_of(request), **self.body(PasswordRequest))
        get_adapter(request._request).send_notification_mail("account/email/password_changed", user)
        return Response(tokens.issue(user).as_json())


class ExportView(ApiView):
    """All that is kept about the caller."""

    rate_limits = ("global", "user", "password")
    errors = (ServiceUnavailable,)

    @extend_schema(operation_id="account_export", responses=PersonalData)
    def get(self, request: Request) -> Response:
        """Everything, by the part of the product that keeps it."""
        return Response(personal_data(person_of(request)))


class DeletionView(ApiView):
    """Leaving."""

    rate_limits = ("global", "user", "password")
    idempotent = False  # what is kept of a deleted person is no answer to them

    @extend_schema(operation_id="account_deletion", request=DeletionRequest, responses=DeletionData)
    def post(self, request: Request) -> Response:
        """Delete the account: the live subscription ends, personal data is erased, invoices stay. No way back."""
        body = self.body(DeletionRequest)
        deletion = account_delete(
            user=person_of(request),
            password=body["password"],
            request_id=current_request_id(),
            now=clock.now(),
        )
        return Response({"status": "deleted" if deletion.done_at else "pending"})
