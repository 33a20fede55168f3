"""Where allauth's sign-up meets our accounts."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from accounts.models import Language, User
from accounts.preferences import timezone_of
from accounts.services import account_create_personal
from common import clock
from common.errors import ValidationError


class AccountAdapter(DefaultAccountAdapter):
    """A person who signs up gets an account in the same transaction, the language they signed up in, and their device's time zone."""

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        language = (get_language() or "").split("-")[0]
        user.language = language if language in Language.values else Language.ENGLISH
        user.timezone = timezone_of(request)
        try:
            with transaction.atomic():
                super().save_user(request, user, form, commit=commit)
                if commit:
                    account_create_personal(user=user, now=clock.now())
        except (
            IntegrityError
        ) as error:  # the same address at the same moment: the form's check passed for both
            if "user_email_once" in str(error):
                raise ValidationError.of("email", "taken", _("This address is in use.")) from error
            raise
        return user
