"""Addresses of the account: its API, and the form for language, theme and time zone."""

from django.conf import settings
from django.urls import URLPattern, URLResolver, path

from accounts import pages
from accounts.api import account, auth, notifications, security
from accounts.pages import mails
from common.routes import account_paths

design_urls = [
    path("design/mails/", mails.mails, name="design_mails"),
    path("design/mails/<str:name>/", mails.mail, name="design_mail"),
    path("design/mails/<str:name>/html/", mails.mail_html, name="design_mail_html"),
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("preferences/", pages.preferences, name="preferences"),
    path("account/settings/", pages.settings_page, name="account_settings_page"),
    # In the place of allauth's own, which has browsers only.
    path("accounts/sessions/", pages.sign_ins_page, name="usersessions_list"),
    path("account/notifications/", pages.notifications, name="notifications"),
    path("account/notifications/read/", pages.notifications_read, name="notifications_read"),
    path("account/notifications/<uuid:notification_id>/", pages.notification_open, name="notification_open"),
    path("unsubscribe/<str:token>/", pages.unsubscribed, name="notification_unsubscribe"),
    path("v1/auth/token", auth.TokenView.as_view(), name="auth-token"),
    path("v1/auth/token/refresh", auth.TokenRefreshView.as_view(), name="auth-token-refresh"),
    path("v1/auth/token/revoke", auth.TokenRevokeView.as_view(), name="auth-token-revoke"),
    path("account/deletion/", pages.deletion, name="account_deletion"),
    path("account/export/", pages.export, name="account_export"),
    *account_paths("export", account.ExportView.as_view(), name="account-export-api"),
    *account_paths("deletion", account.DeletionView.as_view(), name="account-deletion-api"),
    *account_paths("settings", account.SettingsView.as_view(), name="account-settings"),
    *account_paths("notifications", notifications.NotificationsView.as_view(), name="account-notifications"),
    *account_paths(
        "notifications/<uuid:notification_id>/read",
        notifications.NotificationReadView.as_view(),
        name="account-notification-read",
    ),
    *account_paths("password", account.PasswordView.as_view(), name="account-password"),
    *account_paths("sessions", security.SessionsView.as_view(), name="account-sessions"),
    *account_paths("sessions/<str:session_id>", security.SessionView.as_view(), name="account-session"),
    *account_paths("two-factor", security.TwoFactorView.as_view(), name="account-two-factor"),
    *account_paths(
        "two-factor/confirm", security.TwoFactorConfirmView.as_view(), name="account-two-factor-confirm"
    ),
    *account_paths(
        "two-factor/recovery-codes", security.RecoveryCodesView.as_view(), name="account-recovery-codes"
    ),
    *account_paths("two-factor/off", security.TwoFactorOffView.as_view(), name="account-two-factor-off"),
]

if settings.DEBUG:
    urlpatterns += design_urls
