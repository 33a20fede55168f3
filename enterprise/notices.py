"""What is said about API keys."""

from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.notifications import Action, Message, message
from accounts.notifications.messages import Context
from common.formats import date_text, time_text


@message("key_expiring")
def key_expiring(context: Context) -> Message:
    """`name`, `prefix`, `expires_at`."""
    at = datetime.fromisoformat(context["expires_at"])
    words = {"name": context["name"], "date": date_text(at), "time": time_text(at)}
    return Message(
        subject=_("The API key %(name)s expires on %(date)s") % words,
        lines=[
            _("From %(time)s on that day calls with it are refused.") % words,
            _(
                "Rotate it before: the old key goes on working for the time you choose, while you put in the new one."
            ),
        ],
        facts=[(_("Begins with"), context["prefix"])],
        action=Action(_("To your organisation"), reverse("organisation")),
    )
