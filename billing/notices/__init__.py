"""What is said about plans, payments and what is to come of them."""

from billing.notices import plans, reminders

__all__ = ["plans", "reminders"]
