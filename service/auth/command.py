"""The command ``gradwire keys``: create, list and revoke API keys. A server that runs takes notice at once."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from service.auth.api_keys import KeyFile, KeyFileError, NoSuchKey
from service.auth.principal import DEFAULT_TENANT
from service.settings import from_environment

__all__ = ["add_keys"]


def add_keys(commands: Any) -> None:
    """Add the command to a parser's subcommands."""
    keys = commands.add_parser(
        "keys",
        help="create, list and revoke API keys",
        description="Create, list and revoke API keys. Where there is a file of keys, every request needs one.",
    )
    acts = keys.add_subparsers(dest="command", required=True)
    create = acts.add_parser("create", help="make a key; it is shown once and kept nowhere")
    create.add_argument("--tenant", default=DEFAULT_TENANT, metavar="NAME", help="whose it is [default]")
    create.add_argument("--note", default="", metavar="TEXT", help="for people")
    listed = acts.add_parser("list", help="show ids, tenants and notes of keys")
    revoke = acts.add_parser("revoke", help="end a key at once")
    revoke.add_argument("key_id", metavar="ID", help="as gradwire keys list shows it")
    for parser, act in ((create, _create), (listed, _list), (revoke, _revoke)):
        parser.add_argument("--keys-file", metavar="FILE", help="where keys are kept [GRADWIRE_KEYS_FILE]")
        parser.add_argument("--data-dir", metavar="DIR", help="keys are kept in its file keys [GRADWIRE_DATA_DIR]")
        parser.add_argument("--settings", metavar="FILE", help="a settings file that says either [GRADWIRE_SETTINGS]")
        parser.set_defaults(act=lambda given, act=act: _carried(act, given))


def _carried(act: Any, given: dict[str, Any]) -> int:
    """Carry a command out. Answers the exit status."""
    try:
        named = {name: given.pop(name) for name in ("settings", "keys_file", "data_dir")}
        settings = from_environment(**named)
        if not settings.keys_file and not settings.data_dir:
            raise ValueError("say where keys are kept: --keys-file FILE or --data-dir DIR")  # noqa: TRY301 - told below
        act(KeyFile(Path(settings.keys_file or f"{settings.data_dir}/keys")), **given)
    except (KeyFileError, NoSuchKey, ValueError) as error:
        print(f"gradwire: {error}", file=sys.stderr)
        return 2
    return 0


def _create(file: KeyFile, tenant: str, note: str) -> None:
    key, text = file.create(tenant, note)
    print(text)
    print(f"key {key.key_id} of tenant {tenant}; it is shown this once", file=sys.stderr)


def _list(file: KeyFile) -> None:
    for key in file.all():
        day = time.strftime("%Y-%m-%d", time.gmtime(key.created))
        print(f"{key.key_id}  {key.tenant}  {day}  {key.note}".rstrip())


def _revoke(file: KeyFile, key_id: str) -> None:
    key = file.revoke(key_id)
    print(f"revoked {key.key_id} of tenant {key.tenant}")
