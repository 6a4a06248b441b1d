"""The command: ``gradwire serve``; ``python -m service`` does the same."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from types import FrameType

import uvicorn

from service.app import create_app
from service.settings import KINDS, Settings, describe, from_environment

__all__ = ["main", "parser"]

SWITCH_INTERVAL = 0.0005  # a long call that holds the interpreter must not stall the event loop


def parser() -> argparse.ArgumentParser:
    """The command line: an option for every setting."""
    top = argparse.ArgumentParser(prog="gradwire", description="Autograd as a service: PyTorch's autograd behind HTTP.")
    commands = top.add_subparsers(dest="command", required=True)
    command = commands.add_parser(
        "serve",
        help="run the service",
        description="Run the service. Sessions are kept in memory and end with the process.",
    )
    for name, variable, default, unit, sentence in describe():
        command.add_argument(
            f"--{name.replace('_', '-')}",
            type=KINDS[name],
            metavar=unit.upper(),
            help=f"{sentence} [{default}; {variable}]",
        )
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Answers the exit status."""
    given = vars(parser().parse_args(_with_default(sys.argv[1:] if arguments is None else list(arguments))))
    given.pop("command")
    try:
        settings = from_environment(**given)
    except ValueError as error:
        print(f"gradwire: {error}", file=sys.stderr)
        return 2
    return _serve(settings)


def _with_default(arguments: list[str]) -> list[str]:
    """``python -m service`` without a command serves."""
    return arguments or ["serve"]


class _Server(uvicorn.Server):
    """Uvicorn's server, ending with status 0 after a clean stop: a signal that was obeyed is not raised once more."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def _serve(settings: Settings) -> int:
    """Serve until a signal ends it."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    config = uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=settings.keep_alive,
        timeout_graceful_shutdown=settings.shutdown,
        limit_concurrency=settings.connections,
        h11_max_incomplete_event_size=16_384,
    )
    print(
        f"Gradwire serves on http://{shown}:{settings.port}\n"
        f"  documentation  http://{shown}:{settings.port}/docs\n"
        f"  operators      http://{shown}:{settings.port}/v1/ops\n"
        "  sessions are kept in memory only; Ctrl-C ends",
        flush=True,
    )
    server = _Server(config)
    server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
