"""The administration of people and accounts, and the frame in which every app tells its part of an account's story."""

from accounts.admin import account, machinery, news, people

__all__ = ["account", "machinery", "news", "people"]
