"""The meter for staff: limits, credits, refusals. Nothing of it is changed here but credits, by the wallet's service."""

from quotas.admin import records, story

__all__ = ["records", "story"]
