"""What is said about API keys and about who belongs to an organisation."""

from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.enums import Role
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


@message("membership_role")
def membership_role(context: Context) -> Message:
    """`organisation`, `role`."""
    words = {**context, "role": Role(context["role"]).label}
    return Message(
        subject=_("%(organisation)s: your role is now %(role)s") % words,
        lines=[_("An owner or administrator changed what you may do there. It holds from now on.")],
        facts=[(_("Organisation"), words["organisation"]), (_("Your role"), words["role"])],
        action=Action(_("See who may what"), reverse("organisation_members")),
    )


@message("membership_ended")
def membership_ended(context: Context) -> Message:
    """`organisation`."""
    return Message(
        subject=_("You do not belong to %(organisation)s any more") % context,
        lines=[
            _("An owner or administrator removed you. You see nothing of it from now on."),
            _("To come back you need a new invitation. Your own account is as it was."),
        ],
    )


@message("organisation_closed")
def organisation_closed(context: Context) -> Message:
    """`organisation`."""
    return Message(
        subject=_("%(organisation)s is closed") % context,
        lines=[
            _(
                "One of its owners closed it. Its keys are refused, and its members see nothing of it any more."
            ),
            _("Your own account is as it was."),
        ],
    )
