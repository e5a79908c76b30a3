"""Running text as the codes of its words: one vocabulary, every line's end a word of its own."""

import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from data.errors import UserError
from data.text import Text

END, UNKNOWN = "<eos>", "<unk>"  # a line's end, and a word outside of the vocabulary
_WORD_OR_MARK = re.compile(rf"{END}|{UNKNOWN}|\w+(?:['’]\w+)*|[^\w\s]")


def words_of(text: str, tokens: str) -> list[str]:
    """The words of each line, with END after them; an empty line is an END alone.

    Args:
      text: lines; Windows line ends are line ends.
      tokens: `blanks`, a word is what stands between two blanks, as in the Penn Treebank's files;
        or `marks`, punctuation marks are words too: `don't (say)` is don't, (, say, ).
    """
    split = str.split if tokens == "blanks" else _WORD_OR_MARK.findall
    lines = io.StringIO(text, newline=None)
    return [word for line in lines for word in (*split(line), END)]


def vocabulary(train: Sequence[str], limit: int) -> tuple[str, ...]:
    """The words that the net knows, the most frequent first, and UNKNOWN among them.

    Args:
      train: the training part.
      limit: how many, END and UNKNOWN included; 0: all. Where the text has no UNKNOWN of its
        own, a word that occurs once in it makes the examples of UNKNOWN, whatever the limit.
    """
    counts = Counter(train)
    least = 1 if UNKNOWN in counts else 2
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    known = [w for w in ranked if counts[w] >= least and w not in (END, UNKNOWN)]
    kept = {*known[: max(0, limit - 2) if limit else None], END, UNKNOWN}
    return tuple(sorted(kept, key=lambda word: (-counts[word], word)))


def coded_words(parts: tuple[list[str], ...], limit: int, name: str) -> Text:
    """Numbers the words of the three parts by the vocabulary of the first.

    The second and third begin with the END of what came before them, which is read and not
    predicted: every word that is theirs is predicted.

    Raises:
      UserError: the training part has no words.
    """
    if not set(parts[0]) - {END, UNKNOWN}:
        raise UserError(f"{name} has no words to train on: name a file with text in it.")
    words = vocabulary(parts[0], limit)
    numbers = {word: n for n, word in enumerate(words)}
    train, valid, test = (_codes(part, numbers) for part in parts)
    end = np.array([numbers[END]], np.int32)
    return Text(train, np.append(end, valid), np.append(end, test), words)


def _codes(words: Iterable[str], numbers: dict[str, int]) -> np.ndarray:
    unknown = numbers[UNKNOWN]
    return np.array([numbers.get(word, unknown) for word in words], np.int32)


def codes_of_words(words: Sequence[str], symbols: Sequence[str]) -> np.ndarray:
    """Words as codes int32 [T]; raises UserError for one that the vocabulary lacks."""
    numbers = {word: n for n, word in enumerate(symbols)}
    for word in words:
        if word not in numbers:
            raise UserError(
                f"{word!r} is not among the {len(symbols):,} words that the net knows: "
                f"write another word, or {UNKNOWN}."
            )
    return np.array([numbers[word] for word in words], np.int32)


def text_of_words(codes: Iterable[int], symbols: Sequence[str]) -> str:
    """Words with blanks between them, and a new line for END."""
    lines = " ".join(symbols[code] for code in np.asarray(codes)).split(END)
    return "\n".join(line.strip() for line in lines)
