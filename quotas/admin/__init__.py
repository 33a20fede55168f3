"""The meter for staff: limits, credits, refusals. Nothing of it is changed here but credits, by the wallet's service."""

from quotas.admin import boards, records, story

__all__ = ["boards", "records", "story"]
