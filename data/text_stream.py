"""Plain text as the codes of its frequent words, read piece by piece: plain, .gz or .xz.

The text itself is never in memory whole, so that a gigabyte of it takes 4 bytes a word.
"""

import gzip
import hashlib
import io
import itertools
import lzma
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from data.errors import UserError
from data.files import ARCHIVES, GZIP, expansion_limit, open_plain, user_path
from data.text import compact
from data.words import END, SPLIT, UNKNOWN

PIECE = 2**20  # characters
XZ = b"\xfd7zXZ\0"
_ADVICE = "name a text file, plain or packed as .gz or .xz"


class WordStream(NamedTuple):
    """A text without the words that are left out, and its vocabulary."""

    codes: np.ndarray  # [N] of the type `compact(V)`
    line_ends: np.ndarray  # int64, ascending: where in `codes` a line ends
    words: tuple[str, ...]  # the V words, the most frequent first
    counts: np.ndarray  # int64 [V]: how often each occurs
    read: int  # words in the text, those left out among them

    @property
    def facts(self) -> dict[str, str]:
        """The vocabulary and a short hash of the codes and lines: they identify the text."""
        sha = hashlib.sha256(self.codes.astype(np.int32))
        sha.update(self.line_ends.astype(np.int64))
        return {"words": " ".join(self.words), "text": sha.hexdigest()[:16]}


def read_pieces(path: str | Path) -> Iterator[str]:
    """A file's text in pieces that end between words; line ends become newlines.

    Raises:
      UserError: the file cannot be read or is damaged, is no UTF-8 text, or expands to more than
        a text can.
    """
    path = user_path(path)
    try:
        with open_plain(path) as file:
            raw = _Counted(_unpacked(file, path), expansion_limit(path.stat().st_size), path)
            text = io.TextIOWrapper(io.BufferedReader(raw, PIECE), encoding="utf-8-sig")
            yield from between_words(iter(lambda: text.read(PIECE), ""))
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8 text (a byte of it is {error.object[error.start]:#04x}); "
            "convert it to UTF-8."
        ) from None
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise UserError(f"{path} is damaged ({error}); get the file again.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}); {_ADVICE}.") from None


def _unpacked(file: BinaryIO, path: Path) -> BinaryIO:
    start = file.read(8)
    file.seek(0)
    if start.startswith(GZIP):
        return gzip.GzipFile(fileobj=file)
    if start.startswith(XZ):
        return lzma.LZMAFile(file)
    for mark, kind in ARCHIVES.items():
        if start.startswith(mark):
            raise UserError(f"{path} is {kind}; {_ADVICE}.")
    return file


class _Counted(io.RawIOBase):
    """The bytes of an unpacked file; raises UserError for too many, or for a zero byte."""

    def __init__(self, file: BinaryIO, most: int, path: Path):
        self._file, self._left, self._path = file, most, path

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        found = self._file.read(len(buffer))
        self._left -= len(found)
        if self._left < 0:
            raise UserError(f"{self._path} expands to far more than its size; unpack it yourself.")
        if b"\0" in found:
            raise UserError(f"{self._path} is not UTF-8 text (it has a zero byte); {_ADVICE}.")
        buffer[: len(found)] = found
        return len(found)


def between_words(pieces: Iterable[str]) -> Iterator[str]:
    """The same text, in pieces that are cut at blanks."""
    rest = ""
    for piece in pieces:
        text = rest + piece
        cut = max(map(text.rfind, " \t\n")) + 1
        if not cut and len(text) > PIECE:  # no blank in a million characters
            cut = len(text)
        rest = text[cut:]
        yield text[:cut]
    yield rest


def word_stream(
    pieces: Iterable[str], *, tokens: str, lowercase: bool, least: int, name: str
) -> WordStream:
    """Encodes a text with the words that occur often enough.

    Args:
      pieces: the text, cut between words.
      tokens: `blanks` or `marks`, see `data.words.words_of`.
      lowercase: words are read in lower case.
      least: words that occur less often are left out, as if they were not there; so is `<unk>`.
      name: of the text, for errors.

    Raises:
      UserError: fewer than two words remain.
    """
    numbers: dict[str, int] = defaultdict(itertools.count(1).__next__, {"\n": 0})
    split = SPLIT[tokens].findall
    found = [np.empty(0, np.int32)]
    for piece in pieces:
        words = split(piece.lower() if lowercase else piece)
        found.append(np.fromiter(map(numbers.__getitem__, words), np.int32, len(words)))
    text, found = np.concatenate(found), []
    words = list(numbers)
    counts = np.bincount(text, minlength=len(words))
    read = int(counts[1:].sum())
    counts[[0, *(numbers[word] for word in (END, UNKNOWN) if word in numbers)]] = 0
    often = np.flatnonzero(counts >= max(1, least)).tolist()
    kept = sorted(often, key=lambda n: (-counts[n], words[n]))
    if len(kept) < 2:
        raise _too_small(name, len(kept), read, least)
    code_of = np.full(len(words), -1, np.int32)
    code_of[kept] = np.arange(len(kept))
    known = code_of[text] >= 0
    ends = np.cumsum(known)[text == 0]
    codes = code_of[text[known]].astype(compact(len(kept)))
    return WordStream(codes, np.unique(ends), tuple(words[n] for n in kept), counts[kept], read)


def _too_small(name: str, words: int, read: int, least: int) -> UserError:
    if not read:
        return UserError(f"{name} has no words; give a file that contains text.")
    often = {0: "no word occurs", 1: "a single word occurs"}[words]
    return UserError(
        f"{name}: {often} {least} times or more; give a longer text, or a smaller --min_count."
    )
