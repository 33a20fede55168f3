"""Organisations for staff: contracts and keys, to be read, and their part of an account's story."""

from enterprise.admin import records, story

__all__ = ["records", "story"]
