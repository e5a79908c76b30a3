"""Safe reading of files that a user names: regular files only, and no decompression bombs.

Reading a pipe or a device may block forever, and a few bytes of gzip can expand to gigabytes: both
are refused.
"""

import errno
import gzip
import io
import stat
import zlib
from pathlib import Path
from typing import BinaryIO

from data.errors import UserError

SLACK = 2**26  # bytes that any file may expand to
GZIP = b"\x1f\x8b"
ARCHIVES = {  # by how their content begins
    b"PK\x03\x04": "a zip archive",
    b"\xfd7zXZ\0": "an xz file",
    b"BZh": "a bzip2 file",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"(\xb5/\xfd": "a Zstandard file",
}
RATIO = 64  # text compresses to a tenth at best, weights hardly at all; deflate can reach 1,032


def user_path(path: str | Path) -> Path:
    """A path with ~ expanded; raises UserError for ~name if there is no such user."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UserError(f"{path}: there is no such home folder; give the full path.") from None


def open_plain(path: Path) -> BinaryIO:
    """Opens a regular file in binary mode; raises OSError, also for a pipe, socket or device."""
    try:
        mode = path.stat().st_mode
    except ValueError as error:  # a zero byte
        raise OSError(errno.EINVAL, str(error)) from None
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, "not a regular file")
    return path.open("rb")


def read_plain(path: str | Path, advice: str) -> bytes:
    """All bytes of a user's file.

    Raises:
      UserError: it cannot be read or is not a regular file; the sentence ends with `advice`.
    """
    path = user_path(path)
    try:
        with open_plain(path) as file:
            return file.read()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}); {advice}.") from None


def read_unpacked(path: str | Path, advice: str) -> bytes:
    """Like `read_plain`, but decompresses gzip data, whatever the file is called.

    Raises:
      UserError: also for files of other compressed formats, which are named.
    """
    content = read_plain(path, advice)
    if content.startswith(GZIP):
        return gunzipped(content, str(path))
    for start, kind in ARCHIVES.items():
        if content.startswith(start):
            raise UserError(f"{path} is {kind}; unpack it and give the file inside.")
    return content


def expansion_limit(size: int) -> int:
    """The largest number of bytes that `size` compressed bytes may expand to."""
    return SLACK + RATIO * size


def gunzipped(content: bytes, name: str) -> bytes:
    """Decompresses gzip data; `name` is the file's name, for errors.

    Raises:
      UserError: the data is damaged, or expands beyond `expansion_limit`.
    """
    most = expansion_limit(len(content))
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            found = file.read(most + 1)
            if len(found) <= most:
                return found
    except (EOFError, zlib.error, OSError) as error:
        raise UserError(f"{name} is damaged gzip data ({error}); get the file again.") from None
    raise UserError(
        f"{name} expands to more than {RATIO} times its size; if that is intended, unpack it "
        "yourself and name the unpacked file."
    )
