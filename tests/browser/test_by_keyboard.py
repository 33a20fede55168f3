"""The look by keyboard finds what it is for, and nothing on a page that is well."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.browser.by_keyboard import unreachable
from tests.browser.conftest import DESKTOP

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.req("AC-6")]

WELL = """<!doctype html><a href="#x">Link</a><p style="height: 850px"></p><textarea rows="20"></textarea><input type="date">
<label><input type="radio" name="r">1</label><label><input type="radio" name="r" checked>2</label>
<button disabled>Not now</button><details><summary>More</summary><a href="#y">Inside</a></details><button>Last</button>"""
TRAP = """<!doctype html><input id="here"><input onfocus="document.getElementById('here').focus()"><button>Never</button>"""
UNMARKED = """<!doctype html><style>button { outline: none }</style><button>Where am I?</button>"""
COVERED = """<!doctype html><div style="position: fixed; inset: 0 0 auto; height: 60px"></div>
<a href="#x">Under the bar</a>"""
OUT_OF_ORDER = """<!doctype html><button>Second</button><button tabindex="1">First</button>"""


@pytest.mark.parametrize(
    ("html", "said"),
    [
        (WELL, ""),
        (TRAP, "not reached by Tab: <button>Never"),
        (UNMARKED, "does not show that it has the focus: <button>Where"),
        (COVERED, "is covered or out of sight when it has the focus: <a href"),
        (OUT_OF_ORDER, "out of order: <button tabindex"),
    ],
    ids=["well", "trap", "unmarked", "covered", "out of order"],
)
def test_what_is_found(browser: Browser, html: str, said: str) -> None:
    page = browser.new_page(viewport=DESKTOP)
    page.set_content(html)
    found = "\n".join(unreachable(page))
    page.close()
    assert said in found if said else found == ""
