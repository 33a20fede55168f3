"""What is said in news."""

from django.utils.translation import gettext as _

from accounts.notifications import Action, Message, message
from accounts.notifications.messages import Context
from common.formats import is_french


@message("news")
def news(context: Context) -> Message:
    """`title` and `text` in both languages, `path` or nothing. Paragraphs are parted by empty lines."""
    language = "fr" if is_french() else "en"
    paragraphs = context["text"][language].replace("\r\n", "\n").split("\n\n")
    return Message(
        subject=context["title"][language],
        lines=[" ".join(one.split()) for one in paragraphs if one.strip()],
        action=Action(_("Have a look"), context["path"]) if context["path"] else None,
    )
