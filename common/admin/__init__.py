"""Support's and operators' view of what every app leans on: the audit trail, promises."""

from common.admin import records

__all__ = ["records"]
