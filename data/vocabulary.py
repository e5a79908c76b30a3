"""Tokenizers: from a sentence to codes and back, by words, characters or subwords.

The first four codes are padding, the unknown token, the beginning and the end of a sentence.
Decoding gives ordinary, detokenized text: a word's code includes the blank before it, if there is
one, so that `vocabulary.text(vocabulary.codes(line))` equals the line if all its words are known.
"""

import base64
import dataclasses
import functools
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import chain

from data.errors import UserError

PADDING, UNKNOWN, BEGIN, END = range(4)
SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")
UNITS = ("words", "characters", "subwords")
# SentencePiece gives some characters a meaning of its own (it drops lines with them or decodes them
# as blanks): code points that no text contains stand for them, and for the special codes.
_SPECIAL_PIECES = tuple(map(chr, range(0xFDD4, 0xFDD8)))
_RESERVED = dict(zip(map(ord, "\0\t\u2581\u2585"), range(0xFDD0, 0xFDD4), strict=True))
_UNRESERVED = {replacement: char for char, replacement in _RESERVED.items()}
_WORD = re.compile(r" ?(?:\w+|[^\w\s])")


class _Remembered(dict[str, tuple[int, ...]]):
    """The codes of what lies between two blanks, most of which occurs again and again."""

    MOST = 2**18  # entries

    def __init__(self, codes: Callable[[str], Iterable[int]]):
        self._codes = codes

    def __missing__(self, text: str) -> tuple[int, ...]:
        if len(self) == self.MOST:
            self.clear()
        self[text] = tuple(self._codes(text))
        return self[text]

    def of_all(self, texts: Iterable[str]) -> list[int]:
        """The codes of texts, one after another."""
        return list(chain.from_iterable(map(self.__getitem__, texts)))


@dataclasses.dataclass(frozen=True)
class Pieces:
    """A vocabulary of words, each including a preceding blank if there is one, or of characters."""

    unit: str
    pieces: tuple[str, ...]  # by code; SPECIAL come first

    def __len__(self) -> int:
        return len(self.pieces)

    @functools.cached_property
    def _code_of(self) -> dict[str, int]:
        return {piece: n for n, piece in enumerate(self.pieces) if n >= len(SPECIAL)}

    def codes(self, line: str) -> list[int]:
        """Encodes a line, without BEGIN and END."""
        return self._remembered.of_all(line.split()) if self.unit == "words" else self._split(line)

    @functools.cached_property
    def _remembered(self) -> _Remembered:
        return _Remembered(self._split)

    def _split(self, line: str) -> list[int]:
        return [self._code_of.get(piece, UNKNOWN) for piece in split(line, self.unit)]

    def text(self, codes: Iterable[int]) -> str:
        """Decodes a line; UNKNOWN becomes <unk>, other special codes are dropped."""
        blank = " " if self.unit == "words" else ""
        pieces = (blank + SPECIAL[UNKNOWN] if n == UNKNOWN else self.pieces[n]
                  for n in codes if n not in (PADDING, BEGIN, END))  # fmt: skip
        return "".join(pieces).strip()

    def label(self, code: int) -> str:
        """The text of a single code, for figures."""
        return self.pieces[code].strip() or self.pieces[code]

    def to_json(self) -> str:
        """The whole vocabulary as text; `from_json` is the inverse."""
        return json.dumps({"unit": self.unit, "pieces": self.pieces[len(SPECIAL) :]},
                          ensure_ascii=False)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Subwords:
    """Byte-pair encoding with SentencePiece (Sennrich et al. 2016; Kudo and Richardson 2018).

    The text is not normalized: decoding inverts encoding for all known characters.
    """

    model: bytes

    unit = "subwords"

    @functools.cached_property
    def _processor(self):
        import sentencepiece

        return sentencepiece.SentencePieceProcessor(model_proto=self.model)

    def __len__(self) -> int:
        return self._processor.get_piece_size()

    def codes(self, line: str) -> list[int]:
        """Encodes a line, without BEGIN and END."""
        text = line.strip().translate(_RESERVED)
        return self._remembered.of_all(text.split(" ")) if text else []

    @functools.cached_property
    def _remembered(self) -> _Remembered:
        """No subword goes beyond a blank; it begins with the blank before it."""
        blank = self._processor.piece_to_id("\u2581")
        return _Remembered(lambda text: self._processor.encode(text) if text else [blank])

    def text(self, codes: Iterable[int]) -> str:
        """Decodes a line; UNKNOWN becomes <unk>, other special codes are dropped."""
        kept = [int(n) for n in codes if n not in (PADDING, BEGIN, END)]
        return self._processor.decode(kept).translate(_UNRESERVED).strip()

    def label(self, code: int) -> str:
        """The text of a single code, for figures."""
        if code < len(SPECIAL):
            return SPECIAL[code]
        return self._processor.id_to_piece(int(code)).translate(_UNRESERVED)

    def to_json(self) -> str:
        """The whole vocabulary as text; `from_json` is the inverse."""
        return json.dumps({"unit": self.unit, "model": base64.b64encode(self.model).decode()})


Vocabulary = Pieces | Subwords


def build(lines: list[str], unit: str, size: int, least: int) -> Vocabulary:
    """Builds the vocabulary of a training set.

    Args:
      lines: the sentences of the training set.
      unit: one of UNITS.
      size: the largest size, special codes included; 0: unlimited, but not for subwords. The
        most frequent words or characters are kept; subwords are always as many.
      least: how often a word or character must occur to be included.

    Raises:
      UserError: no word occurs that often, or the text needs more subwords or yields fewer.
    """
    if 0 < size <= len(SPECIAL) or (unit == "subwords" and not size):
        raise UserError(f"--vocabulary={size} is too small for {unit}; give 8 or more.")
    if unit == "subwords":
        return Subwords(_byte_pairs(lines, size))
    counts = _counts(lines, unit)
    # the most frequent first, ties in alphabetical order
    kept = sorted((p for p, n in counts.items() if n >= least), key=lambda p: (-counts[p], p))
    if not kept:
        raise UserError(
            f"None of the {unit} occurs {least} times or more; give a smaller --least_count."
        )
    return Pieces(unit, (*SPECIAL, *kept[: size - len(SPECIAL) if size else None]))


def from_json(text: str) -> Vocabulary:
    """The inverse of a vocabulary's `to_json`."""
    content = json.loads(text)
    if content["unit"] == "subwords":
        return Subwords(base64.b64decode(content["model"]))
    return Pieces(content["unit"], (*SPECIAL, *content["pieces"]))


def _counts(lines: list[str], unit: str) -> Counter[str]:
    """How often each word or character occurs in all lines."""
    if unit == "characters":
        return Counter(chain.from_iterable(split(line, unit) for line in lines))
    counts: Counter[str] = Counter()
    for text, n in Counter(chain.from_iterable(map(str.split, lines))).items():
        for piece in split(text, unit):
            counts[piece] += n
    return counts


def split(line: str, unit: str) -> list[str]:
    """Splits a line into words (with preceding blanks) or characters; runs of blanks become one."""
    line = " ".join(line.split())
    return _WORD.findall(" " + line) if unit == "words" else list(line)


def _byte_pairs(lines: list[str], size: int) -> bytes:
    import sentencepiece

    model = io.BytesIO()
    pad, unknown, begin, end = _SPECIAL_PIECES
    lines = [line.strip().translate(_RESERVED) for line in lines]
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_writer=model, model_type="bpe", vocab_size=size,
            character_coverage=1.0, pad_id=PADDING, unk_id=UNKNOWN, bos_id=BEGIN, eos_id=END,
            pad_piece=pad, unk_piece=unknown, bos_piece=begin, eos_piece=end,
            unk_surface=SPECIAL[UNKNOWN], num_threads=1, minloglevel=2,
            normalization_rule_name="identity", remove_extra_whitespaces=False,
            max_sentence_length=2**30,  # bytes; longer lines would be left out
        )  # fmt: skip
    except RuntimeError as error:
        _check_size(size, str(error))
        raise
    return model.getvalue()


def _check_size(size: int, error: str) -> None:
    """Raises UserError with the limit if SentencePiece's error is about the vocabulary's size."""
    if found := re.search(r"required_chars\. \d+ vs (\d+)", error):
        raise UserError(
            f"--vocabulary={size} subwords are too few for the characters of this text; give at "
            f"least {int(found[1]):,}."
        )
    if found := re.search(r"value <= (\d+)", error):
        raise UserError(
            f"--vocabulary={size}: this text does not yield that many subwords; give at most "
            f"{int(found[1]):,}."
        )
