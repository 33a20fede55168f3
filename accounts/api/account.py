"""The caller's own settings and password."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import tokens
from accounts.selectors import person_of
from accounts.serializers import PasswordRequest, SettingsData, SettingsRequest, TokenPairData
from accounts.settings import password_change, settings_json, settings_update
from common.api import ApiView


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
        """Change the password. All tokens so far stop working; the answer has a new pair for this client."""
        user = password_change(user=person_of(request), **self.body(PasswordRequest))
        return Response(tokens.issue(user).as_json())
