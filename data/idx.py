"""IDX files, the format of MNIST: http://yann.lecun.com/exdb/mnist/, plain or gzip.

A header of big-endian 32-bit words (a magic number 0x0000TTDD for type TT and DD dimensions, then
the sizes of the dimensions) precedes the values. The header is not trusted: no memory is allocated
for values that a file claims to hold but does not.
"""

import gzip
import math
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from data.errors import UserError
from data.files import open_plain

UNSIGNED_BYTE = 0x08
KINDS = {1: "labels", 3: "images"}  # by the number of dimensions
LARGEST = {1: 2**24, 3: 2**30}  # bytes of one file's values, by the number of dimensions
BLOCK = 2**20
GZIP_RATIO = 1032  # deflate cannot expand by more


def read_images(path: str | Path) -> np.ndarray:
    """Reads uint8 [N, height, width]; raises UserError as `_read` does."""
    return _read(Path(path), dimensions=3)


def read_labels(path: str | Path) -> np.ndarray:
    """Reads int32 [N] from a file of unsigned bytes; raises UserError as `_read` does."""
    return _read(Path(path), dimensions=1).astype(np.int32)


def _read(path: Path, dimensions: int) -> np.ndarray:
    """Reads an IDX file of unsigned bytes with the given number of dimensions.

    Raises:
      UserError: the file is missing, empty, cut short, too long, damaged, in another format, has
        values of another type, or holds labels where images are expected or the reverse.
    """
    try:
        with open_plain(path) as file:
            length = path.stat().st_size
            zipped = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if not zipped:
                return _parse(file, path, dimensions, length)
            with gzip.GzipFile(fileobj=file) as unzipped:
                return _parse(unzipped, path, dimensions, length * GZIP_RATIO)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path} is cut short or damaged gzip data; get the file again.") from error
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror or error}); put a readable IDX file there."
        ) from error


def _parse(file: BinaryIO, path: Path, dimensions: int, most: int) -> np.ndarray:
    """Reads header and values; `most` is the greatest number of bytes that `file` can yield."""
    shape = _header(file, path, dimensions)
    claimed = math.prod(shape)
    largest = LARGEST[dimensions]
    if claimed > largest:
        raise UserError(
            f"{path} claims to hold {claimed:,} bytes of {KINDS[dimensions]}; "
            f"use a file of at most {largest:,} bytes."
        )
    if shape[0] and not claimed:
        raise UserError(f"{path} claims to hold images of no pixels; get the file again.")
    short = f"{path} is cut short: its header claims {claimed:,} bytes of {KINDS[dimensions]}"
    if claimed > most:
        raise UserError(f"{short}, more than the file can hold; get the file again.")
    values = bytearray()
    while len(values) < claimed:
        block = file.read(min(BLOCK, claimed - len(values)))
        if not block:
            raise UserError(f"{short}, but {len(values):,} follow; get the file again.")
        values += block
    if file.read(1):  # at the end this also makes gzip compare its check sum
        raise UserError(
            f"{path} goes on after the {claimed:,} bytes of {KINDS[dimensions]} that its header "
            "claims; get the file again."
        )
    return np.frombuffer(values, np.uint8).reshape(shape)


def _header(file: BinaryIO, path: Path, dimensions: int) -> tuple[int, ...]:
    """Reads the magic number and returns the sizes of the dimensions."""
    magic = file.read(4)
    if not magic:
        raise UserError(f"{path} is empty; get the file again.")
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise UserError(f"{path} is not an IDX file (plain or gzip); put an IDX file there.")
    kind, found = magic[2], magic[3]
    if kind != UNSIGNED_BYTE:
        raise UserError(
            f"{path} holds values of IDX type 0x{kind:02x}; convert them to unsigned bytes (0x08)."
        )
    wanted = KINDS[dimensions]
    if found != dimensions:
        holds = KINDS.get(found, f"{found}-dimensional values")
        swapped = "; are the two files swapped?" if found in KINDS else "."
        raise UserError(f"{path} holds {holds} where {wanted} are expected{swapped}")
    sizes = file.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise UserError(f"{path} is cut short within its header; get the file again.")
    return tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
