"""Addresses of the account: its API, and the form for language, theme and time zone."""

from django.urls import URLPattern, URLResolver, path

from accounts.api import account, auth
from accounts.pages import preferences
from common.routes import account_paths

urlpatterns: list[URLPattern | URLResolver] = [
    path("preferences/", preferences, name="preferences"),
    path("v1/auth/token", auth.TokenView.as_view(), name="auth-token"),
    path("v1/auth/token/refresh", auth.TokenRefreshView.as_view(), name="auth-token-refresh"),
    path("v1/auth/token/revoke", auth.TokenRevokeView.as_view(), name="auth-token-revoke"),
    *account_paths("settings", account.SettingsView.as_view(), name="account-settings"),
    *account_paths("password", account.PasswordView.as_view(), name="account-password"),
]
