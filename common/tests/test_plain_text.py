"""Which names are one line of what can be seen."""

import pytest

from common.plain_text import is_plain_line

pytestmark = pytest.mark.req("AC-2")


@pytest.mark.parametrize("name", ["", "Zoë d’Arc", "李小龍", "שָׁלוֹם\u200f", "👩‍🚀 Ada", "Ada <b>"])
def test_names_of_people(name: str):
    assert is_plain_line(name)


@pytest.mark.parametrize("name", ["a\nb", "a\x00", "a\x1b[2J", "\u202egnp", "a\u2028b", "\u2066x", "tab\t"])
def test_what_hides_or_turns(name: str):
    assert not is_plain_line(name)
