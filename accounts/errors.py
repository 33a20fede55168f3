"""What accounts refuse."""

from django.utils.translation import gettext_lazy as _

from common.errors import Conflict, ServiceUnavailable


class MailUnavailable(ServiceUnavailable):
    """The mail server did not take a mail that the visitor waits for."""

    page = "mail_unavailable"
    default_message = _("We could not send the mail. Nothing else was changed; try again in a few minutes.")


class TwoFactorOn(Conflict):
    code = "two_factor_on"
    default_message = _("Two-factor sign-in is on already. Turn it off first.")


class TwoFactorNotOn(Conflict):
    code = "two_factor_not_on"
    default_message = _("Two-factor sign-in is not on.")
