"""What is said when support raises a limit."""

from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.notifications import Action, Message, message
from accounts.notifications.messages import Context
from common.formats import instant_text, is_french, number_text


@message("limit_raised")
def limit_raised(context: Context) -> Message:
    """`metric_en`, `metric_fr`, `window`, `limit`, `until` (text), `reason`."""
    words = {
        "metric": context["metric_fr"] if is_french() else context["metric_en"],
        "limit": number_text(context["limit"]),
        "moment": instant_text(datetime.fromisoformat(context["until"])),
        "reason": context["reason"],
    }
    return Message(
        subject=_("%(metric)s: our support has raised your limit") % words,
        lines=[
            _RAISED[context["window"]]() % words,
            _("After that your usual limit holds again, by itself; nothing is charged for this."),
            _("Reason: %(reason)s") % words,
        ],
        action=Action(_("See your limits"), reverse("account_overview")),
    )


_RAISED = {
    "hour": lambda: _("You may use %(limit)s an hour. It ends: %(moment)s."),
    "day": lambda: _("You may use %(limit)s a day. It ends: %(moment)s."),
    "month": lambda: _("You may use %(limit)s a month. It ends: %(moment)s."),
    "period": lambda: _("You may use %(limit)s in a billing period. It ends: %(moment)s."),
    "capacity": lambda: _("You may have %(limit)s at once. It ends: %(moment)s."),
}
