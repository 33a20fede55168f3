"""What a notification says. One text for the inbox and for the mail, text and HTML.

An app registers its texts in a module `notices`:

    @message("plan_upgraded")
    def plan_upgraded(context: Context) -> Message:
        return Message(subject=_("You are on %(plan)s") % context, lines=[...])

Texts are made in the language and time zone of the person who reads, from the plain values kept with the notification.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.module_loading import autodiscover_modules

Context = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Action:
    """What to do about it: a label and a path of this site."""

    label: str
    path: str


@dataclass(frozen=True, slots=True)
class Message:
    """A subject, sentences, facts (label and value) and at most one thing to do."""

    subject: str
    lines: Sequence[str]
    facts: Sequence[tuple[str, str]] = ()
    action: Action | None = None


Builder = Callable[[Context], Message]

_builders: dict[str, Builder] = {}


def message(template: str) -> Callable[[Builder], Builder]:
    """Make a function the one that words `template`."""

    def register(builder: Builder) -> Builder:
        assert template not in _builders, f"two texts for {template}"
        _builders[template] = builder
        return builder

    return register


def message_of(template: str, context: Context) -> Message:
    """The words, in the active language and time zone. KeyError for a template that no app registered."""
    if template not in _builders:
        autodiscover_modules("notices")
    return _builders[template](context)


def templates() -> Sequence[str]:
    """Every template there is."""
    autodiscover_modules("notices")
    return sorted(_builders)
