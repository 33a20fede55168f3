"""The Content-Security-Policy: which other origins a page may load from, send to, or end on."""

from typing import Any


def stripe_script(sandbox_url: str) -> str:
    """The address of Stripe's browser script: the stand-in's in the sandbox, otherwise Stripe's own, in the release that
    belongs to the API version the gateway speaks.
    """
    return f"{sandbox_url}/js/stripe.js" if sandbox_url else "https://js.stripe.com/dahlia/stripe.js"


def stripe_sources(sandbox_url: str, publishable_key: str) -> dict[str, list[str]]:
    """What card fields, 3-D Secure and hosted pages need, by directive. Nothing while there is no key to use them with.

    `form-action` too: a form of ours may end on a hosted page, and browsers hold redirects to that list.
    """
    names = ("script-src", "connect-src", "frame-src", "form-action")
    if sandbox_url:
        return {name: [sandbox_url] for name in names}
    if not publishable_key:
        return {name: [] for name in names}
    script = ["https://js.stripe.com", "https://*.js.stripe.com"]
    return {
        "script-src": script,
        "connect-src": ["https://api.stripe.com"],
        "frame-src": [*script, "https://hooks.stripe.com"],
        "form-action": ["https://checkout.stripe.com", "https://billing.stripe.com"],
    }


def content_security_policy(sandbox_url: str, publishable_key: str) -> dict[str, Any]:
    """The setting of django-csp: ourselves, and Stripe where cards are entered."""
    stripe = stripe_sources(sandbox_url, publishable_key)
    return {
        "EXCLUDE_URL_PREFIXES": [],
        "DIRECTIVES": {
            "default-src": ["'self'"],
            **{name: ["'self'", *sources] for name, sources in stripe.items()},
            "img-src": ["'self'", "data:"],
            "object-src": ["'none'"],
            "base-uri": ["'self'"],
            "frame-ancestors": ["'none'"],
        },
    }
