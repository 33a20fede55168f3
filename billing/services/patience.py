"""How a sweep goes on while Stripe is silent: not at all. Each unanswered call takes its worker a minute, and behind it wait
mails and events; the next run asks again.
"""

import random
from collections.abc import Iterable, Iterator
from typing import TypeVar

import structlog

from billing.errors import PaymentProviderUnavailable

log = structlog.get_logger(__name__)

Row = TypeVar("Row")


class Patience:
    """Of one run of a sweep, over all that it goes through."""

    def __init__(self) -> None:
        self.is_over = False

    def rows(self, found: Iterable[Row]) -> Iterator[Row]:
        """Until Stripe is silent. In no order, so that one which is never answered does not stand before all others
        for good.
        """
        rows = list(found)
        random.shuffle(rows)
        for number, row in enumerate(rows):
            if self.is_over:
                log.warning("sweep_left_to_the_next", rows=len(rows) - number)
                return
            yield row

    def heard(self, error: Exception) -> None:
        """What went wrong with a row. A refusal is an answer."""
        if isinstance(error, PaymentProviderUnavailable) and not error.outcome_known:
            self.is_over = True
