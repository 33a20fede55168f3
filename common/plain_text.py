"""Names as others read them: what cannot be seen, or turns the text around it, is for no name."""

import unicodedata

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that change the direction of what follows: with them a name is read as another. The marks that right-to-left
names need (U+200E, U+200F) and the joiners of emoji and scripts are none of these."""
BREAKING = frozenset({"Cc", "Zl", "Zp"})
"""Control characters, and those that end a line or a paragraph."""


HIDDEN = _("Use one line of plain characters, without hidden ones.")


def is_plain_line(text: str) -> bool:
    """Whether it is one line of what can be seen."""
    return not any(one in TURNING or unicodedata.category(one) in BREAKING for one in text)


def plain_line(text: str) -> None:
    """As a validator of forms and of the API. ValidationError with the code `hidden_characters`."""
    if not is_plain_line(text):
        raise ValidationError(HIDDEN, code="hidden_characters")
