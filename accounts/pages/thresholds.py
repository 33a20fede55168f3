"""The percentages of a limit at which a person wants to be told, as a field."""

import re
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.rules import LARGEST_THRESHOLD, MOST_THRESHOLDS, SMALLEST_THRESHOLD

NUMBERS = re.compile(r"[^\s,;]+")
"""What stands between commas, semicolons or spaces."""


class ThresholdsField(forms.CharField):
    """`80, 95` or `80 ; 95 %`: whole numbers, in any order, once each. Gives a list of them, in order."""

    def __init__(self) -> None:
        super().__init__(
            label=gettext_lazy("Tell me at these percentages of a limit"),
            max_length=40,
            required=False,
            widget=forms.TextInput(attrs={"inputmode": "text", "autocomplete": "off"}),
            help_text=gettext_lazy(
                "Up to five whole numbers from 1 to 100, with commas between. 100 is always told."
            ),
        )

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(str(one) for one in value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        given = NUMBERS.findall(super().clean(value).replace("%", " "))
        if len(given) > MOST_THRESHOLDS or not all(_is_threshold(part) for part in given):
            raise forms.ValidationError(
                _("Give up to five whole numbers from 1 to 100, with commas between.")
            )
        return sorted({int(part) for part in given})


class ThresholdsForm(forms.Form):
    """These percentages alone."""

    usage_thresholds = ThresholdsField()


def _is_threshold(text: str) -> bool:
    return text.isascii() and text.isdigit() and SMALLEST_THRESHOLD <= int(text[:4]) <= LARGEST_THRESHOLD
