"""What is said when a limit is nearly or fully used."""

from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.notifications import Action, Message, message
from accounts.notifications.messages import Context
from common import clock
from common.formats import instant_text, is_french, number_text
from quotas.enums import Window

FULL = 100


@message("quota_threshold")
def quota_threshold(context: Context) -> Message:
    """`threshold`, `used`, `limit`, `metric_en`, `metric_fr`, `window`, `reset_at` (text or null), `mode`, `contract`.

    `used` is what was used when it was noticed: one call may have passed several thresholds, and the limit too.
    """
    threshold, full = context["threshold"], context["used"] >= context["limit"]
    percent = context["used"] * FULL // context["limit"]
    figures = {
        "metric": context["metric_fr"] if is_french() else context["metric_en"],
        "threshold": threshold,
        "percent": percent,
        "used": number_text(context["used"]),
        "limit": number_text(context["limit"]),
    }
    if threshold >= FULL:
        subject = _("%(metric)s: the limit is reached") % figures
    elif percent == threshold:
        subject = _("%(metric)s: %(threshold)s%% of the limit is used") % figures
    else:
        subject = _("%(metric)s: more than %(threshold)s%% of the limit is used") % figures
    lines = [_said(threshold, percent) % figures, _what_follows(context, full=full)]
    more = None if context["contract"] else Action(_("See plans that allow more"), reverse("plans"))
    return Message(subject=subject, lines=lines, action=more)


def _said(threshold: int, percent: int) -> str:
    if threshold in (FULL, percent):
        return _("You have used %(used)s of %(limit)s.")
    if percent >= FULL:
        return _(
            "Your alert at %(threshold)s%% is passed, and the limit itself is reached: "
            "%(used)s of %(limit)s are used."
        )
    return _(
        "Your alert at %(threshold)s%% is passed: %(used)s of %(limit)s are used, which is %(percent)s%%."
    )


def _what_follows(context: Context, *, full: bool) -> str:
    if context["mode"] == "overage":
        return _("What goes beyond the limit is charged as agreed.")
    if context["window"] == Window.CAPACITY:
        return _("Deleting one makes room.") if full else _("At the limit, deleting one makes room.")
    reset_at = datetime.fromisoformat(context["reset_at"])
    reset = {"moment": instant_text(reset_at)}
    if reset_at <= clock.now():
        return _("It has started again since: %(moment)s.") % reset
    if full:
        return _("Further calls are refused until it starts again: %(moment)s.") % reset
    return _("It starts again: %(moment)s.") % reset
