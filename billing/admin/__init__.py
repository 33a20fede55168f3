"""Plans and payments for staff: their lists, their part of an account's story, and what can be done about them."""

from billing.admin import acts, boards, finders, limits, payments, story

__all__ = ["acts", "boards", "finders", "limits", "payments", "story"]
