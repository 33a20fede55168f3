"""Names of time zones, as the IANA database has them."""

import zoneinfo
from functools import cache


@cache
def timezone_names() -> frozenset[str]:
    """All of them; reading them takes a while the first time."""
    return frozenset(zoneinfo.available_timezones())
