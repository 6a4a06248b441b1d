"""Logs: one line of JSON for each request and each event, at most 1 KiB. No bodies, no keys, no whole ids.

JSON escapes line ends and control characters, so nothing that a client sends begins a line of its own.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final

__all__ = ["ACCESS", "LineFormatter", "configure"]

ACCESS: Final = logging.getLogger("gradwire.access")
LONGEST: Final = 1_000


class LineFormatter(logging.Formatter):
    """A record as one line of JSON; its ``fields`` stand beside time, level and message."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": moment,
            "level": record.levelname.lower(),
            "message": record.getMessage()[:LONGEST],
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            trace = record.exc_info[2]
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            if trace is not None:  # where it was raised; its text may hold what a client sent
                line["where"] = f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}"
        return json.dumps(line, ensure_ascii=True, separators=(",", ":"), default=str)


def configure(*, requests: bool) -> None:
    """Write the service's logs to standard error; ``requests``: a line for each request too."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    top = logging.getLogger("gradwire")
    top.handlers = [handler]
    top.setLevel(logging.INFO)
    top.propagate = False
    ACCESS.setLevel(logging.INFO if requests else logging.WARNING)
