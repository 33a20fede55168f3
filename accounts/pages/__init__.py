"""Pages of a person: settings, notifications, and the form for language, theme and time zone."""

from accounts.pages.leaving import deletion, export
from accounts.pages.notifications import notification_open, notifications, notifications_read, unsubscribed
from accounts.pages.preferences import preferences
from accounts.pages.settings import settings_page
from accounts.pages.sign_ins import sign_ins_page

__all__ = [
    "deletion",
    "export",
    "notification_open",
    "notifications",
    "notifications_read",
    "preferences",
    "settings_page",
    "sign_ins_page",
    "unsubscribed",
]
