"""Who may see an account's pages."""

from accounts.access import is_part, signed_in

__all__ = ["is_part", "signed_in"]
