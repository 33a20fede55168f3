"""What `make demo` says: one line for each step, coloured where that helps (NO_COLOR is respected)."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

COLOURS = {"green": "32", "red": "31", "yellow": "33", "dim": "2", "bold": "1"}


def paint(text: str, colour: str) -> str:
    """`text` in a colour, when standard output is a terminal that wants one."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\033[{COLOURS[colour]}m{text}\033[0m"


def say(text: str = "") -> None:
    """One line, at once."""
    print(text, flush=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Announce a step; afterwards say how long it took. A step that fails says so, and its error goes on."""
    started = time.monotonic()
    interactive = sys.stdout.isatty()
    if interactive:
        print(f"{paint('…', 'dim')} {title}", end="\r", flush=True)
    try:
        yield
    except BaseException:
        say(f"{paint('✗', 'red')} {title}")
        raise
    say(f"{paint('✓', 'green')} {title:<34}{paint(f'{time.monotonic() - started:5.1f} s', 'dim')}")
