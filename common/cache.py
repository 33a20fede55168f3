"""The default cache: what is lost with it can be rebuilt, so a Redis that does not answer is an empty one."""

from typing import Any

from django_redis.cache import RedisCache


class ForgivingRedisCache(RedisCache[Any]):
    """Reads find nothing and writes are forgotten while Redis is away; each time is logged.

    `add` then says that the key was free: allauth takes it as a lock and would otherwise let nobody sign in.
    """

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._ignore_exceptions = True

    def add(self, *args: Any, **kwargs: Any) -> bool:
        added = super().add(*args, **kwargs)
        return True if added is None else bool(added)
