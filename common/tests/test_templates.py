"""Every template compiles, and none holds what the Content-Security-Policy would block."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.template.loader import get_template

ROOT = Path(settings.BASE_DIR) / "templates"
TEMPLATES = sorted(str(path.relative_to(ROOT)) for path in ROOT.rglob("*.html"))
INLINE = re.compile(r"\sstyle=|<style|\son\w+=|javascript:|<script(?![^>]*\bsrc=)", re.IGNORECASE)
ELSEWHERE = re.compile(r"""(?:src|href|action)=["'](?:https?:)?//""")


@pytest.mark.parametrize("name", TEMPLATES)
def test_template(name: str):
    get_template(name)
    text = (ROOT / name).read_text()
    # Mail programs take no style sheet: a mail's style stands in its tags, and no policy of ours reaches it.
    is_mail = name == "notifications/mail.html" or name.startswith("mail/")
    assert is_mail or not INLINE.search(text), "inline style or script"
    assert not ELSEWHERE.search(text), "something from another host"


def test_the_style_sheet_asks_no_other_host():
    css = (Path(settings.BASE_DIR) / "static" / "palier.css").read_text()
    assert "@import" not in css
    assert "url(" not in css
