"""Asking for a person's password once more."""

from django.utils.translation import gettext_lazy as _

from accounts.models import User
from common.errors import ValidationError


def password_check(user: User, password: str, *, field: str = "password") -> None:
    """ValidationError at `field` when it is not the person's."""
    if not user.check_password(password):
        raise ValidationError.of(field, "wrong", _("This is not your current password."))
