"""What SQLite leaves unsaid of its write-ahead log: how many frames of the present generation lie in the file. Read only.

Format: https://www.sqlite.org/fileformat2.html#the_write_ahead_log (a header of 32 bytes; frames of 24 bytes and a page; a frame belongs to
the present generation when its salts are the header's).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

__all__ = ["frames_in"]

_HEADER: Final = struct.Struct(">8I")
_FRAME: Final = struct.Struct(">6I")
_MAGIC: Final = (0x377F0682, 0x377F0683)


def frames_in(path: Path) -> int:
    """How many frames the log holds, whole commits or not; 0 where there is no log."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER.size)
            if len(head) < _HEADER.size:
                return 0
            magic, _, page, _, *salts, _, _ = _HEADER.unpack(head)
            if magic not in _MAGIC or not 512 <= page <= 65_536:
                return 0
            count = 0
            while len(frame := file.read(_FRAME.size)) == _FRAME.size:
                if list(_FRAME.unpack(frame)[2:4]) != salts:
                    break
                count += 1
                file.seek(page, 1)
            return count
    except FileNotFoundError:
        return 0
