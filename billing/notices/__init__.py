"""What is said about plans, payments and what is to come of them."""

from billing.notices import limits, plans, reminders

__all__ = ["limits", "plans", "reminders"]
