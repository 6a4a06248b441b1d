"""The command: ``gradwire serve`` and its companions; ``python -m service`` does the same.

What serves is imported by the command that does, so that the others begin at once.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from service.auth.api_keys import KeyFile, KeyFileError
from service.auth.command import add_keys
from service.demo import add_demo
from service.journal.command import add_upkeep
from service.settings import FILE, KINDS, Settings, describe, from_environment, option
from service.telemetry.logs import configure
from service.tuning import calculate_alone, tune

__all__ = ["main", "parser"]

EXAMPLES = """\
to begin with:
  gradwire demo                     the tutorial in this terminal, with a server of its own
  gradwire serve                    then open http://127.0.0.1:8000: playground, /guide, /docs
  gradwire serve --data-dir DIR     sessions outlive the process
  gradwire COMMAND --help           more of a command; gradwire serve --help lists every setting
"""


def parser() -> argparse.ArgumentParser:
    """The command line: an option for every setting."""
    top = argparse.ArgumentParser(
        prog="gradwire",
        description="Autograd as a service: PyTorch's autograd behind HTTP.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"gradwire {version('gradwire')}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    command = commands.add_parser(
        "serve",
        help="run the service",
        description="Run the service. With --data-dir sessions outlive the process; without, they are kept in memory only. Each option is "
        "a setting, which may also stand in the environment, or in a file under its name, as in: port = 9000. The command line goes "
        "before the environment, and that before the file.",
    )
    command.add_argument("--settings", metavar="FILE", help=f"A TOML file of settings. [none; {FILE}]")
    for name, variable, default, unit, sentence in describe():
        text = f"{sentence} [{default}; {variable}]"
        if KINDS[name] is bool:
            command.add_argument(option(name), action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            command.add_argument(option(name), type=KINDS[name], metavar=unit.upper(), help=text)
    add_demo(commands)
    add_keys(commands)
    add_upkeep(commands, _wrong_keys)
    return top


def _wrong_keys(directory: Path) -> str | None:
    """What is wrong with a data directory's API keys."""
    try:
        KeyFile(directory / "keys").all()
    except KeyFileError as error:
        return str(error)
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Answers the exit status."""
    given = vars(parser().parse_args(_with_default(sys.argv[1:] if arguments is None else list(arguments))))
    calculate_alone()
    act = given.pop("act", None)
    given.pop("command")
    if act is not None:
        return int(act(given))
    from service.app import StoreError, create_app, open_journal

    try:
        settings = from_environment(**given)
    except ValueError as error:
        print(f"gradwire: {error}", file=sys.stderr)
        return 2
    try:
        _check_open(settings)
        journal = open_journal(settings)
    except (KeyFileError, StoreError) as error:
        print(f"gradwire: {error}", file=sys.stderr)
        return 1
    return _serve(settings, create_app(settings, journal))


def _with_default(arguments: list[str]) -> list[str]:
    """``python -m service`` without a command serves."""
    return arguments or ["serve"]


def _check_open(settings: Settings) -> None:
    """Refuse to serve strangers without asking who they are. Errors: KeyFileError."""
    from service.app import is_loopback, key_file

    keys = key_file(settings)
    if settings.keys_file and keys is not None and not keys.required:
        raise KeyFileError(f"there is no file {settings.keys_file}: create keys in it with gradwire keys create")
    if keys is not None and keys.required:
        keys.all()
    elif not settings.insecure and not is_loopback(settings.host):
        raise KeyFileError(
            f"{settings.host} is reached by others, and no API key is asked for: create keys with gradwire keys create "
            "--data-dir DIR, listen on 127.0.0.1, or say --insecure"
        )


def _kept(settings: Settings) -> str:
    """What the banner says of durability."""
    if not settings.data_dir:
        return "sessions are kept in memory only (--data-dir DIR stores them)"
    when = {
        "always": "before it is answered",
        "interval": f"within {settings.sync_interval:g} s",
        "none": "when the system likes (durability none)",
    }[settings.durability]
    return f"sessions are stored in {settings.data_dir}: what was done is on the disk {when}"


def _serve(settings: Settings, app: Any) -> int:
    """Serve until a signal ends it."""
    from service.server import Server

    configure(requests=settings.log_requests)
    tune()
    everywhere = settings.host in ("0.0.0.0", "::")  # noqa: S104 - compared, not listened on
    shown = "127.0.0.1" if everywhere else f"[{settings.host}]" if ":" in settings.host else settings.host
    server = Server(app, settings)
    try:
        listener = server.listen()
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or "a port is a number from 0 to 65535"
        print(f"gradwire: {settings.host}:{settings.port} cannot be listened on: {why}", file=sys.stderr)
        return 1
    gc.freeze()  # what was imported stays
    where = f" (and on every address of this machine, {settings.host})" if everywhere else ""
    print(
        f"Gradwire {version('gradwire')} serves on http://{shown}:{settings.port}{where}\n"
        f"  playground     http://{shown}:{settings.port}/\n"
        f"  guide          http://{shown}:{settings.port}/guide\n"
        f"  documentation  http://{shown}:{settings.port}/docs\n"
        f"  operators      http://{shown}:{settings.port}/v1/ops\n"
        f"  {_kept(settings)}; Ctrl-C ends",
        flush=True,
    )
    server.run(sockets=[listener])
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
