"""Running text as codes: symbols numbered by one alphabet, cut in file order into three parts."""

import hashlib
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from data.errors import UserError
from data.files import read_plain

Symbols = TypeVar("Symbols", str, list)


class Text(NamedTuple):
    """A text of which each symbol is a number; the alphabet is that of all three parts."""

    train: np.ndarray  # int32 [N], each entry in [0, V)
    valid: np.ndarray  # may be empty
    test: np.ndarray
    # the V symbols in order: Unicode characters, bytes as U+0000 to U+00FF, or a tuple of words
    symbols: str | tuple[str, ...]

    @property
    def facts(self) -> dict[str, str]:
        """What tells this text from others, in two short words."""
        sha = hashlib.sha256()
        for part in self[:3]:
            sha.update(np.ascontiguousarray(part).tobytes() + b"|")
        words = not isinstance(self.symbols, str)  # no word holds a blank
        symbols = {"words": " ".join(self.symbols)} if words else {"symbols": self.symbols}
        return symbols | {"text": sha.hexdigest()[:16]}


def decoded(content: bytes, unit: str, name: str) -> str:
    """The text of a file's bytes: each byte one symbol, or each Unicode character of UTF-8.

    Args:
      content: the bytes; line ends and marks stay what they are.
      unit: `bytes` or `characters`.
      name: of the file, for errors.

    Raises:
      UserError: characters are asked for and the bytes are not UTF-8.
    """
    if unit == "bytes":
        return content.decode("latin-1")  # byte n becomes character n
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{name} is not UTF-8 text (byte {error.start:,} is {content[error.start]:#04x}): "
            "give --unit=bytes to read any file byte by byte."
        ) from None


def encoded(text: str, unit: str) -> bytes:
    """The inverse of `decoded`."""
    return text.encode("latin-1" if unit == "bytes" else "utf-8")


def read_file(path: str | Path, unit: str) -> str:
    """A user's own file as text; raises UserError where there is none to read."""
    return decoded(read_plain(path, "name a text file"), unit, str(path))


def in_three(text: Symbols, valid_percent: float, test_percent: float) -> tuple[Symbols, ...]:
    """A text, or a list of words, cut in file order.

    The last `test_percent` is the test, the `valid_percent` before it the validation.
    """
    test = len(text) - round(len(text) * test_percent / 100)
    valid = test - round(len(text) * valid_percent / 100)
    return text[:valid], text[valid:test], text[test:]


def coded(parts: tuple[str, str, str], name: str) -> Text:
    """Numbers the symbols in the order of their code points.

    Raises:
      UserError: the text is empty, or all of it is one and the same symbol.
    """
    whole = [_code_points(part) for part in parts]
    alphabet = np.unique(np.concatenate(whole))
    if not len(alphabet):
        raise UserError(f"{name} is empty: name a file with text in it.")
    if len(alphabet) == 1:
        raise UserError(
            f"{name} holds nothing but {chr(alphabet[0])!r}: there is nothing to learn from it."
        )
    codes = (np.searchsorted(alphabet, part).astype(np.int32) for part in whole)
    return Text(*codes, "".join(map(chr, alphabet)))


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def codes_of(text: str, symbols: str) -> np.ndarray:
    """A text's codes int32 [T]; raises UserError for a symbol that the alphabet lacks."""
    unknown = sorted(set(text) - set(symbols))
    if unknown:
        raise UserError(
            f"{unknown[0]!r} does not occur in the text that the net was trained on: leave it out."
        )
    return np.array([symbols.index(symbol) for symbol in text], np.int32)


def text_of(codes: np.ndarray, symbols: str) -> str:
    """The text of codes [T]."""
    return "".join(symbols[code] for code in np.asarray(codes))
