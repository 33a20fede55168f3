"""Where allauth's sign-up, sign-in and mails meet our people, accounts and words."""

from smtplib import SMTPException
from typing import Any, ClassVar

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import translation
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from accounts.access import start_address
from accounts.errors import MailUnavailable
from accounts.models import Language, User
from accounts.preferences import speak_as_person, speaking_to, timezone_of
from accounts.selectors import person_by_email
from accounts.services import account_create_personal
from common import clock
from common.callers import UNKNOWN, client_ip
from common.errors import ValidationError

logger = structlog.get_logger(__name__)

SIGNED_OUT = "account/messages/logged_out.txt"
NOWHERE = "0.0.0.0"  # noqa: S104 - stands for no address in a column of addresses; nothing listens there
SIGN_UP_MAIL = "account/email/email_confirmation_signup"
# Told on the page at once; a mail about it says nothing more.
UNTOLD = frozenset({"account/email/email_confirm"})


class AccountAdapter(DefaultAccountAdapter):
    """Accounts made with their people; pages and mails in the person's language; mails that name the product."""

    # In our words: allauth's own speak of users, e-mails and logins, and not plainly in French.
    error_messages: ClassVar[dict[str, Any]] = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": _("The e-mail address or the password is not right."),
        "email_taken": _("There is an account with this address already. Sign in, or choose a new password."),
        "duplicate_email": _("This address is on your account already."),
        "enter_current_password": _("This is not your current password."),
        "incorrect_password": _("This is not your password."),
        "too_many_login_attempts": _("Too many attempts. Wait a few minutes, or choose a new password."),
        "invalid_password_reset": _("This link no longer works. Ask for a new one."),
        "max_email_addresses": _("An account can have %d addresses at most. Remove one first."),
    }

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        """A person who signs up gets an account in the same transaction, the language they signed up in, and their device's time zone."""
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

    def login(self, request: HttpRequest, user: User) -> None:
        """What is said from now on, the notice of signing in first, is said in the person's language."""
        super().login(request, user)
        speak_as_person(request, user)

    def add_message(
        self, request: HttpRequest, level: int, message_template: str | None = None, *args: Any, **kwargs: Any
    ) -> None:
        """Of signing out the visitor reads when the person's language is gone."""
        if message_template != SIGNED_OUT:
            super().add_message(request, level, message_template, *args, **kwargs)
            return
        with translation.override(translation.get_language_from_request(request)):
            super().add_message(request, level, message_template, *args, **kwargs)

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        return start_address(request)

    def get_client_ip(self, request: HttpRequest) -> str:
        """As our own limits see it: behind a proxy not the proxy's address, which all visitors would share."""
        address = client_ip(request)
        return NOWHERE if address == UNKNOWN else address

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """In the language and time zone of the person who has that address, else in the visitor's.

        MailUnavailable when the mail server does not take a mail that the visitor waits for. Of what only tells of a
        change that is made already, the log tells instead.
        """
        person = context.get("user") or person_by_email(email)
        told = {"base_url": settings.BASE_URL, "support_email": settings.SUPPORT_EMAIL}
        try:
            with speaking_to(person):
                super().send_mail(template_prefix, email, {**context, **told})
        except (SMTPException, OSError) as error:
            logger.exception("mail_not_sent", template=template_prefix)
            if template_prefix != SIGN_UP_MAIL:
                raise MailUnavailable from error
            messages.warning(
                self.request,
                _("We could not send the mail that confirms your address. Ask for it again under E-mail."),
            )

    def send_notification_mail(
        self,
        template_prefix: str,
        user: Any,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        if template_prefix in UNTOLD:
            return
        try:
            super().send_notification_mail(template_prefix, user, {"user": user, **(context or {})}, email)
        except MailUnavailable:
            return  # the change is made, and logged is that nobody was told
