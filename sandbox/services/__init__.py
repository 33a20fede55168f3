"""PostgreSQL and Redis from wheels, started by us: no system package, no root, no daemon left behind."""

from sandbox.services.postgres import Postgres
from sandbox.services.process import ServiceError, free_port
from sandbox.services.redis import Redis

__all__ = ["Postgres", "Redis", "ServiceError", "free_port"]
