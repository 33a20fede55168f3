"""Who may see an account's pages."""

from accounts.access import signed_in

__all__ = ["signed_in"]
