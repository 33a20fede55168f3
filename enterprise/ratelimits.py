"""What the B2B rate limits are counted by."""

from accounts.selectors import account_of
from common import ratelimit
from common.callers import caller_of


def register() -> None:
    ratelimit.register_key("account", lambda request: f"account:{account_of(request).pk}")
    ratelimit.register_key("credential", caller_of)
