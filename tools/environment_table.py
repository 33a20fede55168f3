"""`python -m tools.environment_table [--check]`: docs/environment.md, from the settings and config/variables.py."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from config.variables import MEANINGS
from sandbox.environment import ROOT

DOCUMENT = ROOT / "docs" / "environment.md"
ROOMS = ("config", "common", "accounts", "quotas", "billing", "enterprise", "showcase")
READERS = {"str", "bool", "int", "float", "list", "path", "json", "url", "db_url", "email_url"}
KINDS = {"str": "text", "bool": "yes/no", "int": "number", "db_url": "address", "email_url": "address"}
SHELL_DEFAULT = re.compile(r"\$\{([A-Z_]+):-([^}]+)\}")
HEAD = """# Environment variables

Every setting of an installation, read off the code by `python -m tools.environment_table`; `make check` fails when this
page is not what the code says. Yes/no is `1` or `0`. A variable without a default must be set.
"""


@dataclass(frozen=True)
class Variable:
    """One variable as the code reads it."""

    name: str
    kind: str
    default: str | None  # as written in the code; None when it must be set


def variables() -> dict[str, Variable]:
    """All that any room or `deploy/run` reads, by name."""
    found: dict[str, Variable] = {}
    for path in sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        if "tests" not in path.parts:
            for variable in _read(ast.parse(path.read_text(encoding="utf-8"))):
                found.setdefault(variable.name, variable)
    for name, default in SHELL_DEFAULT.findall((ROOT / "deploy" / "run").read_text(encoding="utf-8")):
        found.setdefault(name, Variable(name, "number" if default.isdigit() else "text", default))
    return found


def _read(tree: ast.AST) -> Iterator[Variable]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
            continue
        name = node.args[0]
        if not isinstance(name, ast.Constant) or not isinstance(name.value, str) or not name.value.isupper():
            continue
        owner = ast.unparse(node.func.value)
        if owner == "env" and node.func.attr in READERS:
            default = next((word.value for word in node.keywords if word.arg == "default"), None)
            yield Variable(name.value, KINDS.get(node.func.attr, node.func.attr), _told(default))
        elif owner == "os.environ" and node.func.attr == "get":
            yield Variable(name.value, "path", "")


def _told(default: ast.expr | None) -> str | None:
    """A default as a reader understands it: a value, or the setting it follows."""
    if default is None:
        return None
    if isinstance(default, ast.Constant):
        return (
            {True: "1", False: "0"}.get(default.value, str(default.value))
            if isinstance(default.value, bool)
            else str(default.value)
        )
    if isinstance(default, ast.List) and all(isinstance(part, ast.Constant) for part in default.elts):
        return ",".join(str(part.value) for part in default.elts if isinstance(part, ast.Constant))
    if isinstance(default, ast.Call) and "BASE_DIR" in ast.unparse(default):
        return "/".join(ast.literal_eval(part) for part in _path_parts(default))
    return f"as {ast.unparse(default)}"


def _path_parts(default: ast.AST) -> list[ast.Constant]:
    parts = [node for node in ast.walk(default) if isinstance(node, ast.Constant)]
    return sorted(parts, key=lambda part: part.col_offset)


def document() -> str:
    """The page. LookupError names variables that lack a meaning, and meanings of variables nobody reads."""
    read = variables()
    named = {name for section in MEANINGS.values() for name in section}
    wrong = [f"{name}: no meaning in config/variables.py" for name in sorted(read.keys() - named)]
    wrong += [f"{name}: nothing reads it" for name in sorted(named - read.keys())]
    if wrong:
        raise LookupError("\n".join(wrong))
    return HEAD + "".join(_section(title, meanings, read) for title, meanings in MEANINGS.items())


def _section(title: str, meanings: dict[str, str], read: dict[str, Variable]) -> str:
    rows = [
        f"| `{name}` | {_default(read[name])} | {read[name].kind} | {meanings[name]} |" for name in meanings
    ]
    return "\n".join(
        [f"\n## {title}\n", "| variable | default | kind | meaning |", "|---|---|---|---|", *rows, ""]
    )


def _default(variable: Variable) -> str:
    if variable.default is None:
        return "**must be set**"
    if variable.default.startswith("as "):
        return f"as `{variable.default[3:]}`"
    return f"`{variable.default}`" if variable.default else "none"


def main(arguments: list[str], target: Path = DOCUMENT) -> int:
    """Write the page, or with --check say whether it is in step."""
    try:
        wanted = document()
    except LookupError as error:
        print(error.args[0], file=sys.stderr)
        return 1
    if "--check" not in arguments:
        target.write_text(wanted, encoding="utf-8")
        return 0
    if target.exists() and target.read_text(encoding="utf-8") == wanted:
        return 0
    print(f"{target.name} is not in step: python -m tools.environment_table", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
