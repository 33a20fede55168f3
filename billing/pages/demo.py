"""Who can be signed in as in the sandbox, and what each of them shows."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from billing.demo import DOMAIN, PEOPLE

ABOUT: dict[str, Promise] = {
    "free": _("Free plan, card on file"),
    "basic": _("Basic, paid"),
    "premium": _("Premium, paid"),
    "near": _("Basic, 48 of 50 messages used"),
    "pastdue": _("Basic, last payment failed"),
    "nosub": _("No plan at all"),
}


@dataclass(frozen=True)
class DemoPerson:
    email: str
    about: str


def demo_people() -> list[DemoPerson]:
    return [DemoPerson(f"{one.name}@{DOMAIN}", str(ABOUT.get(one.name, ""))) for one in PEOPLE]
