"""Settings: from the environment and the command line, and what is refused."""

from __future__ import annotations

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
        ("GRADWIRE_PORT", "http", "GRADWIRE_PORT must be of type int"),
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
    assert capsys.readouterr().err == "gradwire: GRADWIRE_THREADS must be of type int\n"
