"""Running text as integer codes: one alphabet for all, and three parts in file order."""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from data.errors import UserError
from data.files import read_plain, read_unpacked
from data.lines import without_mark

Symbols = TypeVar("Symbols", str, list, np.ndarray)
PIECE = 2**20  # symbols
BYTE_BY_BYTE = "convert it to UTF-8, or read it byte by byte (char_rnn --unit=bytes)"


class Text(NamedTuple):
    """A text as codes; the alphabet covers all three parts."""

    train: np.ndarray  # [N] of the type `compact(V)`, each entry in [0, V)
    valid: np.ndarray  # int32; may be empty
    test: np.ndarray  # int32
    # the V symbols by code: Unicode characters, bytes as U+0000 to U+00FF, or a tuple of words
    symbols: str | tuple[str, ...]

    def limited(self, most: int) -> "Text":
        """The text with the first `most` symbols alone of what is evaluated; 0: with all."""
        return self._replace(valid=self.valid[:most], test=self.test[:most]) if most else self

    @property
    def facts(self) -> dict[str, str]:
        """The symbols and a short hash of the codes, which together identify the text."""
        sha = hashlib.sha256()
        for part in self[:3]:
            for piece in pieces(part):
                sha.update(piece.astype(np.int32))
            sha.update(b"|")
        words = not isinstance(self.symbols, str)  # words contain no blanks
        symbols = {"words": " ".join(self.symbols)} if words else {"symbols": self.symbols}
        return symbols | {"text": sha.hexdigest()[:16]}


def compact(size: int) -> np.dtype:
    """The smallest of uint8, uint16 and int32 that holds codes in [0, size)."""
    types = (np.dtype(name) for name in (np.uint8, np.uint16, np.int32))
    return next(kind for kind in types if size - 1 <= np.iinfo(kind).max)


def pieces(sequence: Symbols) -> Iterator[Symbols]:
    """A text or an array cut into pieces, for work that takes several times their memory."""
    return (sequence[start : start + PIECE] for start in range(0, len(sequence), PIECE))


def decoded(content: bytes, unit: str, name: str) -> str:
    """The text of a file: a symbol for each byte, or for each Unicode character of UTF-8.

    Args:
      content: the bytes of the file; line ends are kept. UTF-8's byte order mark is no
        character of the text, but three of its bytes.
      unit: `bytes` or `characters`.
      name: the file's name, for errors.

    Raises:
      UserError: the unit is `characters` and the bytes are not UTF-8.
    """
    if unit == "bytes":
        return content.decode("latin-1")  # byte n becomes character n
    content = without_mark(content, name, BYTE_BY_BYTE)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{name} is not UTF-8 text (byte {error.start:,} is {content[error.start]:#04x}); "
            f"{BYTE_BY_BYTE}."
        ) from None


def encoded(text: str, unit: str) -> bytes:
    """The inverse of `decoded`."""
    return text.encode("latin-1" if unit == "bytes" else "utf-8")


def read_file(path: str | Path, unit: str) -> str:
    """The text of the user's own file; raises UserError if it cannot be read or decoded."""
    read = read_plain if unit == "bytes" else read_unpacked
    return decoded(read(path, "name a text file"), unit, str(path))


def read_parts(unit: str, valid: str, test: str) -> tuple[str | None, str | None]:
    """The texts of the user's own validation and test files; None without one.

    Raises:
      UserError: a file cannot be read or decoded, or is empty.
    """
    valid_text, test_text = (read_file(path, unit) if path else None for path in (valid, test))
    for flag, path, text in (("valid", valid, valid_text), ("test", test, test_text)):
        if text == "":
            raise UserError(f"--{flag}={path} is empty; give a file that contains text.")
    return valid_text, test_text


def replace_parts(
    parts: tuple[Symbols, Symbols, Symbols], valid: Symbols | None, test: Symbols | None
) -> tuple[Symbols, Symbols, Symbols]:
    """(train, valid, test) with other validation and test parts where they are given."""
    return parts[0], parts[1] if valid is None else valid, parts[2] if test is None else test


def three_parts(
    text: Symbols,
    valid_percent: float,
    test_percent: float,
    valid: Symbols | None = None,
    test: Symbols | None = None,
) -> tuple[Symbols, Symbols, Symbols]:
    """Splits a text, a list, or the codes of words in file order: (train, valid, test).

    The last `test_percent` is the test part, the `valid_percent` before it the validation part.
    Where one of them is given, nothing is cut off for it.
    """
    end = len(text) - (round(len(text) * test_percent / 100) if test is None else 0)
    start = end - (round(len(text) * valid_percent / 100) if valid is None else 0)
    return (
        text[:start],
        text[start:end] if valid is None else valid,
        text[end:] if test is None else test,
    )


def coded(parts: tuple[str, str, str], name: str) -> Text:
    """Replaces symbols by codes, which are in the order of the symbols' code points.

    Raises:
      UserError: the text is empty, or consists of one repeated symbol.
    """
    used = np.zeros(sys.maxunicode + 1, bool)
    for part in parts:
        for piece in pieces(part):
            used[_code_points(piece)] = True
    alphabet = np.flatnonzero(used)
    if not len(alphabet):
        raise UserError(f"{name} is empty; give a file that contains text.")
    if len(alphabet) == 1:
        raise UserError(
            f"{name} contains nothing but {chr(alphabet[0])!r}; give a text with more than one "
            "symbol."
        )
    train, valid, test = (
        _codes(part, alphabet, kind)
        for part, kind in zip(parts, (compact(len(alphabet)), np.int32, np.int32), strict=True)
    )
    return Text(train, valid, test, "".join(map(chr, alphabet)))


def _codes(text: str, alphabet: np.ndarray, kind: np.dtype) -> np.ndarray:
    code_of = np.zeros(alphabet[-1] + 1, kind)
    code_of[alphabet] = np.arange(len(alphabet))
    codes, end = np.empty(len(text), kind), 0
    for piece in pieces(text):
        start, end = end, end + len(piece)
        np.take(code_of, _code_points(piece), out=codes[start:end], mode="clip")
    return codes


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def codes_of(text: str, symbols: str) -> np.ndarray:
    """The codes of a text, int32 [T]; raises UserError for a symbol outside the alphabet."""
    unknown = sorted(set(text) - set(symbols))
    if unknown:
        raise UserError(
            f"{unknown[0]!r} does not occur in the text that the net was trained on; leave it out."
        )
    return np.array([symbols.index(symbol) for symbol in text], np.int32)


def text_of(codes: np.ndarray, symbols: str) -> str:
    """The text that codes [T] stand for."""
    return "".join(symbols[code] for code in np.asarray(codes))
