"""Bytes of files that somebody gives: plain files alone, and packed ones no larger than is likely.

What reads a pipe or a device may wait for ever, and a few bytes of gzip can stand for gigabytes:
neither is begun.
"""

import errno
import gzip
import io
import stat
import zlib
from pathlib import Path
from typing import BinaryIO

from data.errors import UserError

SLACK = 2**26  # bytes that anything may unpack to
RATIO = 64  # text packs to a tenth at best, weights hardly at all; deflate could do 1,032


def user_path(path: str | Path) -> Path:
    """A path as the user wrote it; raises UserError for ~name if nobody has that name."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UserError(f"{path}: there is no such home folder; write the path out.") from None


def open_plain(path: Path) -> BinaryIO:
    """Opens a file to read its bytes; raises OSError, also for a pipe, a socket or a device."""
    try:
        mode = path.stat().st_mode
    except ValueError as error:  # a zero byte
        raise OSError(errno.EINVAL, str(error)) from None
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, "not a plain file")
    return path.open("rb")


def read_plain(path: str | Path, advice: str) -> bytes:
    """All bytes of a user's file.

    Raises:
      UserError: it cannot be read or is not a plain file; the sentence ends with the advice.
    """
    path = user_path(path)
    try:
        with open_plain(path) as file:
            return file.read()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}): {advice}.") from None


def likely(size: int) -> int:
    """The most bytes that so many packed ones are believed to stand for."""
    return SLACK + RATIO * size


def unzipped(content: bytes, name: str) -> bytes:
    """What gzipped bytes hold.

    Raises:
      UserError: they are damaged, or hold more than is `likely`; `name` is of the file.
    """
    most = likely(len(content))
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            found = file.read(most + 1)
            if len(found) <= most:
                return found
    except (EOFError, zlib.error, OSError) as error:
        raise UserError(f"{name} is damaged gzip data ({error}); get the file again.") from None
    raise UserError(
        f"{name} unpacks to more than {RATIO} times its size: unpack it yourself and name that "
        "file, if it is what you want."
    )
