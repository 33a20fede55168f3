"""What a person sees in a browser; importing this package registers all pages."""

from sandbox.stripe.pages import challenge, checkout, invoices, portal, script
from sandbox.stripe.pages.shell import Pages

__all__ = ["Pages", "challenge", "checkout", "invoices", "portal", "script"]
