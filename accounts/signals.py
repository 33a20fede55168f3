"""What others may want to hear. Receivers run inside the sender's transaction: if one fails, nothing happened."""

from django.dispatch import Signal

# Sent with `account` and `now` once an account exists; billing puts it on the free plan.
account_created = Signal()
