"""A stand-in for Stripe on loopback, for development and tests only. See docs/stripe-stand-in.md."""

from sandbox.stripe.server import DEFAULT_KEY, StripeStandIn

__all__ = ["DEFAULT_KEY", "StripeStandIn"]
