"""The administration of people and accounts, and the frame in which every app tells its part of an account's story."""

from accounts.admin import account, news, people

__all__ = ["account", "news", "people"]
