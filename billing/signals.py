"""What billing tells those above it."""

from django.dispatch import Signal

# `charge`, `now`: an overage charge that was pending has been charged, or has failed. Whatever waited for it may go on.
overage_charge_resolved = Signal()
