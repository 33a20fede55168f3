"""The page of use: limits and pace, use over time by filters that stand in the address, files, thresholds of one's own."""

from billing.pages.usage.views import (
    usage,
    usage_operations_file,
    usage_shown_file,
    usage_thresholds,
)

__all__ = ["usage", "usage_operations_file", "usage_shown_file", "usage_thresholds"]
