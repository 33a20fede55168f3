"""A page gone through with the keyboard alone: what cannot be reached, what does not show its focus, what holds it."""

from __future__ import annotations

from playwright.sync_api import Page

# What the Tab key must come to: all that can be seen and worked, of a group of radio buttons the one that is chosen,
# of a chart the one point from which the arrows go on. Frames are of the payment service; the Tab key gets through them.
WATCH = """
() => {
  const can = 'a[href], button, input, select, textarea, summary, [tabindex]';
  const radios = new Set();
  const wanted = [...document.querySelectorAll(can)].filter(one => {
    if (one.disabled || one.type === 'hidden' || one.tabIndex < 0 || one.closest('[inert]')) return false;
    if (!one.checkVisibility({visibilityProperty: true})) return false;
    if (one.type !== 'radio') return true;
    const group = [...document.getElementsByName(one.name)].filter(other => other.form === one.form);
    const first = group.find(other => other.checked) || group[0];
    return one === first;
  });
  const told = one => one.outerHTML.slice(0, 120);
  const shown = one => {
    const ring = getComputedStyle(one);
    if (ring.outlineStyle !== 'none' && parseFloat(ring.outlineWidth) > 0) return true;
    const slot = one.querySelector(':scope > .slot');
    return slot !== null && getComputedStyle(slot).stroke !== 'none';
  };
  const uncovered = one => {
    const place = one.querySelector(':scope > .slot') || one;
    const box = [...place.getClientRects()].find(each => each.width > 0 && each.height > 0);
    if (!box) return false;
    return [0.5, 0.1, 0.9].some(part => { // of a long text only the line of the cursor is brought into sight
      const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height * part);
      return top !== null && (one.contains(top) || top.contains(one) || top.closest('label')?.control === one);
    });
  };
  const seen = window.byKeyboard = {wanted, reached: new Set(), marked: new Set(), hidden: new Set(), wrong: []};
  for (const one of wanted) if (one.tabIndex > 0) seen.wrong.push(`out of order: ${told(one)}`);
  document.addEventListener('focusin', event => seen.reached.add(event.target), true);
  document.addEventListener('keyup', event => {
    const one = document.activeElement;
    if (event.key !== 'Tab' || one === document.body || one.tagName === 'IFRAME') return;
    (shown(one) ? seen.marked : seen.hidden).add(one);
    if (!uncovered(one)) seen.wrong.push(`is covered or out of sight when it has the focus: ${told(one)}`);
  }, true);
  document.activeElement.blur();
  getSelection().removeAllRanges();
  scrollTo(0, 0);
  return wanted.length;
}
"""
MISSED = "() => byKeyboard.wanted.filter(one => !byKeyboard.reached.has(one)).map(one => one.outerHTML.slice(0, 120))"
# A date has several stops, of which the browser marks the last one itself.
UNMARKED = """
() => [...byKeyboard.hidden].filter(one => !byKeyboard.marked.has(one))
  .map(one => `does not show that it has the focus: ${one.outerHTML.slice(0, 120)}`)
"""
WRONG = "() => [...new Set(byKeyboard.wrong)]"
MORE_STOPS = 10
"""How many presses more are tried: a date has several stops, a frame those of what is in it."""


def unreachable(page: Page) -> list[str]:
    """What somebody without a mouse cannot do on the page that is open. Nothing of the page is changed."""
    address = page.url
    stops = page.evaluate(WATCH)
    missed: list[str] = []
    for presses in (stops + 1, *[MORE_STOPS] * 4):
        for _ in range(presses):
            page.keyboard.press("Tab")
        missed = page.evaluate(MISSED)
        if not missed:
            break
    found = [f"not reached by Tab: {one}" for one in missed] + page.evaluate(UNMARKED) + page.evaluate(WRONG)
    found += _skip_link(page) + _menus(page)
    page.evaluate(
        "address => { history.replaceState(null, '', address); document.activeElement.blur(); scrollTo(0, 0) }",
        address,
    )
    return found


def _skip_link(page: Page) -> list[str]:
    """The first stop of our pages leads past the navigation."""
    if not page.evaluate(
        "() => document.querySelector('.skip-link')?.focus() ?? !!document.querySelector('.skip-link')"
    ):
        return []
    page.keyboard.press("Enter")
    main = page.evaluate("document.activeElement.tagName")
    return [] if main == "MAIN" else [f"the skip link leads to {main}"]


def _menus(page: Page) -> list[str]:
    """Open with Enter, close with Escape, and the focus is where it was."""
    found = []
    for menu in page.locator("details.menu:visible").all():
        summary = menu.locator("summary")
        summary.focus()
        page.keyboard.press("Enter")
        opened = menu.evaluate("node => node.open")
        page.keyboard.press("Tab")
        inside = menu.evaluate("node => node.contains(document.activeElement)")
        page.keyboard.press("Escape")
        closed = menu.evaluate(
            "node => !node.open && document.activeElement === node.querySelector('summary')"
        )
        if not (opened and inside and closed):
            found.append(
                f"menu: opens {opened}, is entered {inside}, closes and gives the focus back {closed}"
            )
    return found
