"""docs/integrate.md, by its word: each command is run as it stands there, and answers what stands below it."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.stack import Stack

pytestmark = [pytest.mark.slow, pytest.mark.req("EN-6", "QU-15", "EN-7", "EN-2")]

PAGE = Path(__file__).parents[2] / "docs" / "integrate.md"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
END = "@@ end of command"
LONGEST_S = 120


@dataclass(frozen=True)
class Command:
    """A command of the page, and the lines that it says the answer has, in order."""

    text: str
    answer: tuple[str, ...]

    def is_answered_by(self, said: str) -> bool:
        """`…` stands for anything; names of headers may be written in either case, and other lines lie in between."""
        parts = [re.escape(line).replace("…", ".*") for line in self.answer]
        return re.search(".*".join(parts), said, re.DOTALL | re.IGNORECASE) is not None


def commands() -> list[Command]:
    found: list[tuple[str, list[str]]] = []
    for block in BLOCK.findall(PAGE.read_text()):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif found[-1][0].endswith("\\"):
                found[-1] = (f"{found[-1][0]}\n{line}", [])
            else:
                found[-1][1].append(line)
    return [Command(text, tuple(answer)) for text, answer in found]


def run(script: list[Command], directory: Path) -> list[str]:
    """What each command said, in one shell, as somebody has it who copies one after the other."""
    lines = ["set -u", *(f"{one.text}\necho; echo '{END}'" for one in script)]
    done = subprocess.run(
        ["bash"],
        input="\n".join(lines),
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST_S,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert not done.stderr, done.stderr
    return done.stdout.split(END)[:-1]


def test_the_page_has_commands() -> None:
    assert len(commands()) >= 15


def test_every_command_does_what_the_page_says(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / ".palier").mkdir()
    demo = {"base_url": stack.base_url, "api_keys": stack.api_keys()}
    (tmp_path / ".palier" / "demo.json").write_text(json.dumps(demo))
    script = commands()
    said = run(script, tmp_path)
    assert len(said) == len(script)
    wrong = [
        "\n".join([f"$ {one.text}", "should say", *one.answer, "and says", answer[:3000]])
        for one, answer in zip(script, said, strict=True)
        if not one.is_answered_by(answer)
    ]
    assert not wrong, "\n\n".join(wrong)
