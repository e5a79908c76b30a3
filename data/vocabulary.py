"""From a sentence to numbers and back: by words, by characters, or by subwords.

The first four numbers stand for padding, an unknown word, the beginning and the end. What comes
out is text as one writes it: a word's number knows whether a blank goes before it, so that
`vocabulary.text(vocabulary.codes(line))` is the line, as far as its words are known.
"""

import base64
import dataclasses
import functools
import io
import json
import re
from collections import Counter
from collections.abc import Iterable

from data.errors import UserError

PADDING, UNKNOWN, BEGIN, END = range(4)
SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")
UNITS = ("words", "characters", "subwords")
_WORD = re.compile(r" ?(?:\w+|[^\w\s])")


@dataclasses.dataclass(frozen=True)
class Pieces:
    """Words, each with the blank before it if there is one, or characters."""

    unit: str
    pieces: tuple[str, ...]  # the special ones first

    def __len__(self) -> int:
        return len(self.pieces)

    @functools.cached_property
    def _numbers(self) -> dict[str, int]:
        return {piece: n for n, piece in enumerate(self.pieces) if n >= len(SPECIAL)}

    def codes(self, line: str) -> list[int]:
        """The numbers of a line; no beginning and no end."""
        return [self._numbers.get(piece, UNKNOWN) for piece in split(line, self.unit)]

    def text(self, codes: Iterable[int]) -> str:
        """The line of numbers; unknown words stand as <unk>, other special numbers for nothing."""
        blank = " " if self.unit == "words" else ""
        shown = (blank + SPECIAL[UNKNOWN] if n == UNKNOWN else self.pieces[n]
                 for n in codes if n not in (PADDING, BEGIN, END))  # fmt: skip
        return "".join(shown).strip()

    def shown(self, code: int) -> str:
        """One number, as a picture names it."""
        return self.pieces[code].strip() or self.pieces[code]

    def written(self) -> str:
        """All there is to it, as text; `read` is the inverse."""
        return json.dumps({"unit": self.unit, "pieces": self.pieces[len(SPECIAL) :]},
                          ensure_ascii=False)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Subwords:
    """Byte-pair encoding by SentencePiece (Sennrich et al. 2016; Kudo and Richardson 2018)."""

    model: bytes

    unit = "subwords"

    @functools.cached_property
    def _processor(self):
        import sentencepiece

        return sentencepiece.SentencePieceProcessor(model_proto=self.model)

    def __len__(self) -> int:
        return self._processor.get_piece_size()

    def codes(self, line: str) -> list[int]:
        """The numbers of a line; no beginning and no end."""
        return self._processor.encode(line)

    def text(self, codes: Iterable[int]) -> str:
        """The line of numbers; unknown pieces stand as <unk>, other special numbers for nothing."""
        kept = [int(n) for n in codes if n not in (PADDING, BEGIN, END)]
        return self._processor.decode(kept).strip()

    def shown(self, code: int) -> str:
        """One number, as a picture names it."""
        return self._processor.id_to_piece(int(code))

    def written(self) -> str:
        """All there is to it, as text; `read` is the inverse."""
        return json.dumps({"unit": self.unit, "model": base64.b64encode(self.model).decode()})


Vocabulary = Pieces | Subwords


def made(lines: list[str], unit: str, size: int, least: int) -> Vocabulary:
    """The vocabulary of a text.

    Args:
      lines: of the training set.
      unit: one of UNITS.
      size: of subwords, the special numbers included.
      least: how often a word or character must occur to be known.

    Raises:
      UserError: no word occurs so often, or there are not so many subwords to be had.
    """
    if unit == "subwords":
        return Subwords(_byte_pairs(lines, size))
    counts = Counter(piece for line in lines for piece in split(line, unit))
    # the most frequent first, in the order of their letters where they are as frequent
    kept = sorted((p for p, n in counts.items() if n >= least), key=lambda p: (-counts[p], p))
    if not kept:
        raise UserError(f"None of the {unit} occurs {least} times: make --least_count smaller.")
    return Pieces(unit, (*SPECIAL, *kept))


def read(text: str) -> Vocabulary:
    """The vocabulary that `written` gave."""
    content = json.loads(text)
    if content["unit"] == "subwords":
        return Subwords(base64.b64decode(content["model"]))
    return Pieces(content["unit"], (*SPECIAL, *content["pieces"]))


def split(line: str, unit: str) -> list[str]:
    """A line's words or characters; runs of blanks count as one, and before the first word too."""
    line = " ".join(line.split())
    return _WORD.findall(" " + line) if unit == "words" else list(line)


def _byte_pairs(lines: list[str], size: int) -> bytes:
    import sentencepiece

    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_writer=model, model_type="bpe", vocab_size=size,
            character_coverage=1.0, pad_id=PADDING, unk_id=UNKNOWN, bos_id=BEGIN, eos_id=END,
            unk_surface=SPECIAL[UNKNOWN], num_threads=1, minloglevel=2,
        )  # fmt: skip
    except RuntimeError as error:
        found = re.search(r"value <= (\d+)", str(error))
        most = f" {int(found[1]):,} or less" if found else " another size"
        raise UserError(
            f"--vocabulary={size} subwords are not to be had of this text: give{most}."
        ) from None
    return model.getvalue()
