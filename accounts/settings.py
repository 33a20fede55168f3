"""A person's own settings: read, changed."""

from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import transaction

from accounts.enums import Channel, NotificationKind
from accounts.models import User
from accounts.passwords import password_check
from accounts.rules import complete_choices, merged_choices
from common.errors import ValidationError

FIELDS = ("display_name", "language", "timezone", "theme", "notifications", "usage_thresholds")


def settings_json(user: User) -> dict[str, Any]:
    """The settings as the API tells them, with every kind of notification named."""
    told = {field: getattr(user, field) for field in FIELDS}
    chosen = complete_choices(user.notifications, kinds=NotificationKind.values, channels=Channel.values)
    return told | {"notifications": chosen}


def settings_update(*, user: User, changes: dict[str, Any], replace: bool = False) -> User:
    """Write the changed settings. Notification choices are merged way by way, unless all of them are replaced.

    The row is locked, so that two clients that change different things at once both succeed.
    """
    with transaction.atomic():
        locked = User.objects.select_for_update().get(pk=user.pk)
        for field, value in changes.items():
            is_merged = field == "notifications" and not replace
            setattr(locked, field, merged_choices(locked.notifications, value) if is_merged else value)
        if changes:
            locked.save(update_fields=list(changes))
    return locked


def password_change(*, user: User, current_password: str, new_password: str) -> User:
    """Set another password; every token and every other session of the person ends with the old one.

    ValidationError when the current one is not right or the new one is too weak; nothing changes then.
    """
    with transaction.atomic():
        locked = User.objects.select_for_update().get(pk=user.pk)
        password_check(locked, current_password, field="current_password")
        try:
            validate_password(new_password, locked)
        except DjangoValidationError as error:
            fields = [
                {"field": "new_password", "code": one.code or "invalid", "message": " ".join(one.messages)}
                for one in error.error_list
            ]
            raise ValidationError(details={"fields": fields}) from error
        locked.set_password(new_password)
        locked.save(update_fields=["password"])
    return locked
