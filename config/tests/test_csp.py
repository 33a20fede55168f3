"""Where a page may load from: ourselves, and Stripe only where there is a key for it."""

import pytest

from config.csp import content_security_policy, stripe_script

STRIPES = ("script-src", "connect-src", "frame-src", "form-action")


def directives(sandbox_url: str, key: str) -> dict[str, list[str]]:
    return content_security_policy(sandbox_url, key)["DIRECTIVES"]


@pytest.mark.req("BI-3")
def test_the_sandbox_is_let_in_and_stripe_is_not():
    found = directives("http://127.0.0.1:8001", "pk_test_x")
    assert {name: found[name] for name in STRIPES} == {
        key: ["'self'", "http://127.0.0.1:8001"] for key in STRIPES
    }
    assert "stripe.com" not in str(found)
    assert stripe_script("http://127.0.0.1:8001") == "http://127.0.0.1:8001/js/stripe.js"


@pytest.mark.req("BI-3")
def test_stripe_is_let_in_with_a_key_of_its_own():
    found = directives("", "pk_live_x")
    assert "https://js.stripe.com" in found["script-src"]
    assert "https://api.stripe.com" in found["connect-src"]
    assert stripe_script("").startswith("https://js.stripe.com/")


def test_nobody_is_let_in_without_a_key():
    assert {name: directives("", "")[name] for name in STRIPES} == {key: ["'self'"] for key in STRIPES}


@pytest.mark.parametrize("sandbox_url", ["", "http://127.0.0.1:8001"])
def test_nothing_inline_ever(sandbox_url: str):
    assert "unsafe" not in str(directives(sandbox_url, "pk_live_x"))
    assert directives(sandbox_url, "")["frame-ancestors"] == ["'none'"]
