"""What stops the start when it is wrong."""

from typing import Any

from django.core.checks import CheckMessage, Error, register

from billing.errors import OverdueRulesInvalid
from billing.selectors.overdue import overdue_policy


@register
def overdue_rules(**_: Any) -> list[CheckMessage]:
    """The declared overdue rules can be read and do not contradict themselves."""
    try:
        overdue_policy()
    except OverdueRulesInvalid as error:
        return [Error(f"overdue rules: {problem}", id="billing.E001") for problem in error.problems]
    return []
