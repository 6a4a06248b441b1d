"""Settings: from the environment and the command line, and what is refused."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from service.__main__ import main, parser
from service.settings import KINDS, Settings, describe, from_environment


def test_environment_and_options() -> None:
    found = from_environment({"GRADWIRE_PORT": "9000", "GRADWIRE_SESSION_TTL": "5.5", "HOME": "/"}, port=9001)
    assert (found.port, found.session_ttl) == (9001, 5.5)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("GRADWIRE_PORT", "http", "GRADWIRE_PORT must be a whole number"),
        ("GRADWIRE_PORT", "99999", "GRADWIRE_PORT must be at most 65535"),
        ("GRADWIRE_HOST", "", "GRADWIRE_HOST must be an address"),
        ("GRADWIRE_PROT", "1", "is no setting"),
        ("GRADWIRE_SESSIONS", "0", "at least 1"),
    ],
)
def test_what_cannot_be_is_said(name: str, value: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        from_environment({name: value})


def test_every_setting_has_unit_sentence_and_option() -> None:
    subparsers: Any = parser()._subparsers
    serve = subparsers._group_actions[0].choices["serve"]
    options = {a for action in serve._actions for a in action.option_strings}
    for name, variable, default, unit, sentence in describe():
        assert unit
        assert sentence.endswith(".")
        assert variable == f"GRADWIRE_{name.upper()}"
        assert f"--{name.replace('_', '-')}" in options
        assert isinstance(default, KINDS[name])
    assert len(describe()) == len(Settings.__slots__)


def test_the_command_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("GRADWIRE_THREADS", "none")
    assert main(["serve"]) == 2
    assert capsys.readouterr().err == "gradwire: GRADWIRE_THREADS must be a whole number\n"


def test_what_is_given_wrongly_on_the_command_line_names_the_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--session-ttl", "-1"]) == 2
    assert capsys.readouterr().err == "gradwire: --session-ttl must be at least 1 seconds, not -1.0\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("prot = 1", "FILE: prot is no setting; did you mean port?"),
        ("port = '80'", "FILE: port must be a whole number, not text"),
        ("port = 70000", "FILE: port must be at most 65535 port, not 70000"),
        ("sessions = 2.5", "FILE: sessions must be a whole number, not a number"),
        ("sessions = true", "FILE: sessions must be a whole number, not true or false"),
        ("sessions = 0", "FILE: sessions must be at least 1 sessions, not 0"),
        ("session_ttl = nan", "FILE: session_ttl must be at least 1 seconds, not nan"),
        ("insecure = 1", "FILE: insecure must be true or false, not a whole number"),
        ("guarded = [1]", "FILE: guarded must be text or a list of texts, not a list"),
        ("guarded = ['doors']", "FILE: guarded must name some of docs, guide, metrics, playground, or none"),
        ("[serve]\nport = 1", "FILE: serve is no setting"),
        ("[port]\nx = 1", "FILE: port must be a whole number, not a table"),
        ("port 1", "FILE is no TOML: "),
        ("cors_origins = '*'", "FILE: cors_origins must be origins as browsers send them"),
        ("cors_origins = ['https://lab.example/app']", "FILE: cors_origins must be origins"),
        (None, "FILE cannot be read: No such file or directory"),
    ],
)
def test_what_a_file_cannot_say_is_told_in_one_line(
    text: str | None, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "settings.toml"
    if text is not None:
        file.write_text(text)
    assert main(["serve", "--settings", str(file)]) == 2
    told = capsys.readouterr().err
    assert told.startswith("gradwire: " + says.replace("FILE", str(file)))
    assert told.count("\n") == 1


def test_every_limit_that_an_answer_names_is_a_setting() -> None:
    """The first argument of LimitExceeded and QuotaExceeded, and ``limit=`` of any error, wherever they are raised."""
    named = set()
    for path in Path("service").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            first = node.args[:1] if called == "LimitExceeded" else []
            given = [k.value for k in node.keywords if k.arg == "limit"]
            named |= {v.value for v in [*first, *given] if isinstance(v, ast.Constant) and isinstance(v.value, str)}
    assert len(named) > 15
    assert named <= KINDS.keys()
