"""Running text as the codes of its words: one vocabulary, in which line ends are words too."""

import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from data.errors import UserError
from data.text import Text

END, UNKNOWN = "<eos>", "<unk>"  # the end of a line, and a word outside the vocabulary
_BETWEEN_BLANKS = re.compile(r"[^ \t\n]+")
_WORD_OR_MARK = re.compile(rf"{END}|{UNKNOWN}|\w+(?:['’]\w+)*|[^\w\s]")


def words_of(text: str, tokens: str) -> list[str]:
    """The words of each line followed by END; an empty line is a single END.

    Args:
      text: lines of text, also with Windows line ends.
      tokens: `blanks`: words are separated by blanks or tabs, as in the files of the Penn
        Treebank; or `marks`: punctuation marks are words too, so that `don't (say)` is don't, (,
        say, ).
    """
    split = (_BETWEEN_BLANKS if tokens == "blanks" else _WORD_OR_MARK).findall
    lines = io.StringIO(text, newline=None)
    return [word for line in lines for word in (*split(line), END)]


def vocabulary(train: Sequence[str], limit: int) -> tuple[str, ...]:
    """The vocabulary, most frequent words first, including END and UNKNOWN.

    Args:
      train: the words of the training part.
      limit: the size of the vocabulary, including END and UNKNOWN; 0: unlimited. If UNKNOWN does
        not occur in the text, words that occur once are left out, whatever the limit, so that
        the net has examples of UNKNOWN to learn from.
    """
    counts = Counter(train)
    least = 1 if UNKNOWN in counts else 2
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    known = [w for w in ranked if counts[w] >= least and w not in (END, UNKNOWN)]
    kept = {*known[: max(0, limit - 2) if limit else None], END, UNKNOWN}
    return tuple(sorted(kept, key=lambda word: (-counts[word], word)))


def coded_words(parts: tuple[list[str], ...], limit: int, name: str) -> Text:
    """Encodes the words of the three parts with the vocabulary of the first, the training part.

    The validation and test parts are preceded by an END, which is an input but not a target, so
    that every word of theirs is predicted.

    Raises:
      UserError: the training part has no words.
    """
    if not set(parts[0]) - {END, UNKNOWN}:
        raise UserError(f"{name} has no words to train on; give a file that contains text.")
    words = vocabulary(parts[0], limit)
    numbers = {word: n for n, word in enumerate(words)}
    train, valid, test = (_codes(part, numbers) for part in parts)
    end = np.array([numbers[END]], np.int32)
    return Text(train, np.append(end, valid), np.append(end, test), words)


def _codes(words: Iterable[str], numbers: dict[str, int]) -> np.ndarray:
    unknown = numbers[UNKNOWN]
    return np.array([numbers.get(word, unknown) for word in words], np.int32)


def codes_of_words(words: Sequence[str], symbols: Sequence[str]) -> np.ndarray:
    """The codes of words, int32 [T]; raises UserError for a word outside the vocabulary."""
    numbers = {word: n for n, word in enumerate(symbols)}
    for word in words:
        if word not in numbers:
            raise UserError(
                f"{word!r} is not among the {len(symbols):,} words that the net knows; "
                f"write another word, or {UNKNOWN}."
            )
    return np.array([numbers[word] for word in words], np.int32)


def text_of_words(codes: Iterable[int], symbols: Sequence[str]) -> str:
    """The words of codes, separated by blanks, with a line break for each END."""
    lines = " ".join(symbols[code] for code in np.asarray(codes)).split(END)
    return "\n".join(line.strip() for line in lines)
