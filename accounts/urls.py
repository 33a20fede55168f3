"""Addresses of the account API. Pages add theirs below."""

from django.urls import URLPattern, URLResolver, path

from accounts.api import account, auth
from common.routes import account_paths

urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/auth/token", auth.TokenView.as_view(), name="auth-token"),
    path("v1/auth/token/refresh", auth.TokenRefreshView.as_view(), name="auth-token-refresh"),
    path("v1/auth/token/revoke", auth.TokenRevokeView.as_view(), name="auth-token-revoke"),
    *account_paths("settings", account.SettingsView.as_view(), name="account-settings"),
    *account_paths("password", account.PasswordView.as_view(), name="account-password"),
]
