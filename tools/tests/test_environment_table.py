"""The page of settings says what the code says, or `make check` fails."""

import ast
from pathlib import Path

import pytest

from tools import environment_table
from tools.environment_table import Variable

pytestmark = pytest.mark.req("OP-7")


def test_the_page_is_in_step() -> None:
    assert environment_table.main(["--check"]) == 0


def test_a_page_that_says_otherwise_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "environment.md"
    page.write_text("| `SECRET_KEY` | `changeme` |")
    assert environment_table.main(["--check"], target=page) == 1
    assert "not in step" in capsys.readouterr().err
    assert environment_table.main([], target=page) == 0
    assert environment_table.main(["--check"], target=page) == 0


@pytest.mark.parametrize(("change", "told"), [("ADDED", "no meaning"), (None, "nothing reads it")])
def test_what_is_unknown_on_either_side_is_told(
    monkeypatch: pytest.MonkeyPatch, change: str | None, told: str
) -> None:
    read = environment_table.variables()
    read = {**read, change: Variable(change, "text", None)} if change else {**read}
    if change is None:
        del read["SECRET_KEY"]
    monkeypatch.setattr(environment_table, "variables", lambda: read)
    with pytest.raises(LookupError, match=told):
        environment_table.document()


@pytest.mark.parametrize(
    ("code", "variable"),
    [
        ('env.str("A_NAME")', Variable("A_NAME", "text", None)),
        ('env.bool("A_NAME", default=True)', Variable("A_NAME", "yes/no", "1")),
        ('env.int("A_NAME", default=10)', Variable("A_NAME", "number", "10")),
        ('env.list("A_NAME", default=["a", "b"])', Variable("A_NAME", "list", "a,b")),
        ('env.str("A_NAME", default=OTHER)', Variable("A_NAME", "text", "as OTHER")),
        ('os.environ.get("A_NAME")', Variable("A_NAME", "path", "")),
    ],
)
def test_how_code_is_read(code: str, variable: Variable) -> None:
    assert list(environment_table._read(ast.parse(code))) == [variable]
