"""How the installation is doing, on one page for staff. Each app registers its boards in its `admin` package.

A board names the permission without which it is not shown. Each is asked by itself and ended when it takes too long, so
that a large table makes one board say so instead of keeping the page from everybody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.db import DatabaseError

from accounts.admin.story import Table
from common.database import answered_within

LONGEST_S = 3

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Board:
    """`show` answers a table; without rows it says `empty`. `alarm`: whether rows are bad news."""

    name: str
    title: str
    permission: str
    show: Callable[[datetime], Table]
    empty: str
    order: int = 50
    alarm: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """A board as asked now; `table` None: it did not answer in time."""

    board: Board
    table: Table | None

    @property
    def tone(self) -> str:
        if self.table is None:
            return "warn"
        return "bad" if self.board.alarm and self.table.rows else ""


boards: dict[str, Board] = {}


def register(*given: Board) -> None:
    """Add boards; a name is taken once."""
    for one in given:
        assert one.name not in boards, f"two boards named {one.name}"
        boards[one.name] = one


def shown_to(staff: Any, now: datetime) -> list[Shown]:
    """Every board that this member of staff may see, in order."""
    own = [one for one in boards.values() if staff.has_perm(one.permission)]
    return [Shown(one, _asked(one, now)) for one in sorted(own, key=lambda one: (one.order, one.name))]


def _asked(board: Board, now: datetime) -> Table | None:
    try:
        with answered_within(LONGEST_S):
            return board.show(now)
    except DatabaseError:
        log.exception("board_unanswered", board=board.name)
        return None
