"""The commands ``gradwire verify``, ``compact``, ``backup`` and ``restore``: what an operator does with a data directory.

The engine is imported by the command that needs it, so that others begin at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.journal.directory import StoreError

if TYPE_CHECKING:
    from service.journal.upkeep import Found

__all__ = ["add_upkeep"]

STATUSES = "Exit status: 0 all is well, 1 damage was found, 2 it could not be done."


def add_upkeep(commands: Any, keys: Callable[[Path], str | None]) -> None:
    """Add the commands to a parser's subcommands. keys: says of a directory what is wrong with its API keys."""
    verify = _command(
        commands,
        "verify",
        "look for damage in a data directory",
        "Look through a data directory and change nothing: the structure of the file, the checksum of every row, the count of commits, "
        "and whether every session, done again, gives the same bits. A server may be at work on it.",
        lambda given: _verify(given["directory"], given["replay"], keys),
    )
    verify.add_argument("directory", type=Path, metavar="DIR", help="the data directory")
    verify.add_argument("--no-replay", dest="replay", action="store_false", help="do not do again what sessions did")
    compact = _command(
        commands,
        "compact",
        "write a data directory anew, without what was deleted",
        "Give every session a snapshot, so that nothing has to be done again when it is read back, and write the file anew: smaller, and "
        "without anything that was deleted. No server may be at work on it; a server empties what held deleted data by itself.",
        _compact,
    )
    compact.add_argument("directory", type=Path, metavar="DIR", help="the data directory")
    backup = _command(
        commands,
        "backup",
        "copy a data directory into a file, also while it serves",
        "Copy a data directory into one file, as it is at one commit, API keys included, and read the copy back. A server may be at work "
        "on it. Damage is copied as it is, and said.",
        _backup,
    )
    backup.add_argument("directory", type=Path, metavar="DIR", help="the data directory")
    backup.add_argument("file", type=Path, metavar="FILE", help="the file to make; only its owner may read it")
    restore = _command(
        commands,
        "restore",
        "make a data directory of a backup",
        "Make a data directory of a file that gradwire backup made. The directory must hold no store.",
        _restore,
    )
    restore.add_argument("file", type=Path, metavar="FILE", help="the backup")
    restore.add_argument("directory", type=Path, metavar="DIR", help="the data directory to make")


def _command(
    commands: Any, name: str, short: str, long: str, act: Callable[[dict[str, Any]], int]
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=short, description=long, epilog=STATUSES)
    parser.set_defaults(act=lambda given: _carried(act, given))
    return parser


def _carried(act: Callable[[dict[str, Any]], int], given: dict[str, Any]) -> int:
    """Carry a command out. Answers the exit status."""
    try:
        return act(given)
    except StoreError as error:
        print(f"gradwire: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("gradwire: interrupted; nothing was made", file=sys.stderr)
    return 2


@contextmanager
def _bar(label: str, length: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal; nothing elsewhere, and nothing where there is nothing to do."""
    import click

    hidden = not length or not sys.stderr.isatty()
    with click.progressbar(length=length, label=f"{label:<10}", file=sys.stderr, hidden=hidden) as bar:
        yield bar.update


def _verify(directory: Path, replay: bool, keys: Callable[[Path], str | None]) -> int:
    from service.journal.upkeep import looked_through

    found = looked_through(directory, replay=replay, progress=_bar)
    wrong = keys(directory)
    if wrong is not None:
        found.troubles.append(wrong)
    print(f"{directory}: {_held(found)}, {found.records:,} rows at commit {found.commits:,}, {found.bytes:,} bytes")
    if found.foreign:
        print(f"{found.foreign:,} sessions were written by another build: their last bits may differ here")
    return _damage(found, "no damage was found" if replay else "no damage was found; sessions were not done again")


def _compact(given: dict[str, Any]) -> int:
    from service.journal.upkeep import compacted

    found, before = compacted(given["directory"], _bar)
    print(f"{given['directory']}: {found.sessions:,} sessions, {before:,} bytes before, {found.bytes:,} now")
    for name, why in found.kept.items():
        print(f"{_named(name)} has no snapshot, and its records are kept: {why}")
    return _damage(found, None)


def _backup(given: dict[str, Any]) -> int:
    from service.journal.upkeep import back_up

    found = back_up(given["directory"], given["file"], _bar)
    print(
        f"{given['file']}: {found.sessions:,} sessions as of commit {found.commits:,}, {found.bytes:,} bytes, read back"
    )
    return _damage(found, None)


def _restore(given: dict[str, Any]) -> int:
    from service.journal.upkeep import restored_to

    found = restored_to(given["file"], given["directory"], _bar)
    print(f"{given['directory']}: {found.sessions:,} sessions as of commit {found.commits:,}")
    return _damage(found, None)


def _held(found: Found) -> str:
    return f"{found.sessions:,} sessions, {found.functions:,} functions"


def _damage(found: Found, well: str | None) -> int:
    """Say what is damaged. Answers the exit status."""
    for trouble in found.troubles:
        print(f"gradwire: {trouble}", file=sys.stderr)
    for name, why in found.damaged.items():
        print(f"gradwire: {_named(name)} is damaged: {why}", file=sys.stderr)
    if not found.whole:
        return 1
    if well is not None:
        print(well)
    return 0


def _named(log: str) -> str:
    """A log as people know it; of a session's id no more than a log of the server shows."""
    return f"the ledger of tenant {log[1:] or 'default'}" if log.startswith("@") else f"session {log[:8]}…"
