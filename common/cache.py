"""The default cache: what is lost with it can be rebuilt, so a Redis that does not answer is an empty one."""

import hashlib
import threading
from typing import Any

from django_redis.cache import RedisCache
from redis.exceptions import NoScriptError

COUNT = """
redis.call('SET', KEYS[1], 0, 'EX', ARGV[1], 'NX')
return redis.call('INCRBY', KEYS[1], ARGV[2])
"""
COUNT_SHA = hashlib.sha1(COUNT.encode(), usedforsecurity=False).hexdigest()


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


class CountingRedisCache(RedisCache[Any]):
    """For django-ratelimit, which first asks `add(key, 1)` and then, when the key was there, `incr(key)`.

    Both questions are answered by one trip to Redis: `add` counts, and `incr` tells what it counted. Errors rise.
    """

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._counted = threading.local()

    def add(self, key: Any, value: Any, timeout: Any = None, version: int | None = None) -> bool:
        name = str(self.client.make_key(key, version=version))
        client: Any = self.client.get_client(write=True)
        try:
            count = client.evalsha(COUNT_SHA, 1, name, timeout, value)
        except NoScriptError:  # a Redis that was restarted or flushed does not know it any more
            count = client.eval(COUNT, 1, name, timeout, value)
        self._counted.last = (key, count)
        return bool(count == value)

    def incr(self, key: Any, *_args: Any, **_kwargs: Any) -> int:
        counted_key, count = self._counted.last
        assert counted_key == key, "django-ratelimit asks these two in a row"
        return int(count)
