"""What is said when a limit is nearly or fully used."""

from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.notifications import Action, Message, message
from accounts.notifications.messages import Context
from common import clock
from common.formats import is_french, moment_text, number_text
from quotas.enums import Window

FULL = 100


@message("quota_threshold")
def quota_threshold(context: Context) -> Message:
    """`threshold`, `used`, `limit`, `metric_en`, `metric_fr`, `window`, `reset_at` (text or null), `mode`, `contract`."""
    figures = {
        "metric": context["metric_fr"] if is_french() else context["metric_en"],
        "threshold": context["threshold"],
        "used": number_text(context["used"]),
        "limit": number_text(context["limit"]),
    }
    full = context["threshold"] >= FULL
    if full:
        subject = _("%(metric)s: the limit is reached") % figures
    else:
        subject = _("%(metric)s: %(threshold)s%% of the limit is used") % figures
    lines = [_("You have used %(used)s of %(limit)s.") % figures, _what_follows(context, full=full)]
    more = None if context["contract"] else Action(_("See plans that allow more"), reverse("plans"))
    return Message(subject=subject, lines=lines, action=more)


def _what_follows(context: Context, *, full: bool) -> str:
    if context["mode"] == "overage":
        return _("What goes beyond the limit is charged as agreed.")
    if context["window"] == Window.CAPACITY:
        return _("Deleting one makes room.") if full else _("At the limit, deleting one makes room.")
    reset = moment_text(datetime.fromisoformat(context["reset_at"]), now=clock.now())
    if full:
        return _("Further calls are refused until it starts again: %(moment)s.") % {"moment": reset}
    return _("It starts again: %(moment)s.") % {"moment": reset}
