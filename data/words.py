"""Running text as the codes of its words: one vocabulary, in which line ends are words too."""

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from data.errors import UserError
from data.text import PIECE, Text, compact

END, UNKNOWN = "<eos>", "<unk>"  # the end of a line, and a word outside the vocabulary
SPLIT = {  # the words and line ends of a text
    "blanks": re.compile(r"[^ \t\n]+|\n"),
    "marks": re.compile(rf"{END}|{UNKNOWN}|\w+(?:['’]\w+)*|[^\w\s]|\n"),
}
_BREAK = re.compile("[ \n]")  # no word goes on after one


class Numbered(NamedTuple):
    """The words of texts by number, and the distinct words in the order in which they occur."""

    texts: tuple[np.ndarray, ...]  # int32 [N] each
    words: tuple[str, ...]


def words_of(text: str, tokens: str) -> list[str]:
    """The words of each line followed by END; an empty line is a single END.

    Args:
      text: lines of text, also with Windows line ends.
      tokens: `blanks`: words are separated by blanks or tabs, as in the files of the Penn
        Treebank; or `marks`: punctuation marks are words too, so that `don't (say)` is don't, (,
        say, ).
    """
    found = numbered([text], tokens)
    return [found.words[number] for number in found.texts[0]]


def numbered(texts: Iterable[str], tokens: str) -> Numbered:
    """Numbers the words of texts; see `words_of`."""
    numbers: dict[str, int] = defaultdict(itertools.count(1).__next__, {END: 0, "\n": 0})
    found = tuple(_numbers(text, tokens, numbers) for text in texts)
    del numbers["\n"]
    return Numbered(found, tuple(numbers))


def _numbers(text: str, tokens: str, numbers: Mapping[str, int]) -> np.ndarray:
    split = SPLIT[tokens].findall
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    found = [np.fromiter(map(numbers.__getitem__, split(text, *span)), np.int32)
             for span in _spans(text)]  # fmt: skip
    last = [0] if text and not text.endswith("\n") else []  # its line ends all the same
    return np.concatenate([*found, np.array(last, np.int32)])


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Cuts a text between words: (start, end) of pieces that are not much longer than PIECE."""
    start = 0
    while start < len(text):
        cut = _BREAK.search(text, start + PIECE)
        end = cut.end() if cut else len(text)
        yield start, end
        start = end


def vocabulary(counts: Mapping[str, int], limit: int) -> tuple[str, ...]:
    """The vocabulary, most frequent words first, including END and UNKNOWN.

    Args:
      counts: how often each word occurs in the training part.
      limit: the size of the vocabulary, including END and UNKNOWN; 0: unlimited. If UNKNOWN does
        not occur in the text, words that occur once are left out, whatever the limit, so that
        the net has examples of UNKNOWN to learn from.
    """
    counts = Counter(counts)

    def rank(word: str) -> tuple[int, str]:
        return -counts[word], word

    least = 1 if counts[UNKNOWN] else 2
    known = (w for w, n in counts.items() if n >= least and w not in (END, UNKNOWN))
    kept = {*sorted(known, key=rank)[: max(0, limit - 2) if limit else None], END, UNKNOWN}
    return tuple(sorted(kept, key=rank))


def coded_words(
    parts: tuple[np.ndarray, ...], words: Sequence[str], limit: int, name: str
) -> Text:
    """Encodes the words of the three parts with the vocabulary of the first, the training part.

    The validation and test parts are preceded by an END, which is an input but not a target, so
    that every word of theirs is predicted.

    Args:
      parts: the numbers of words in `words`, see `numbered`.
      words: END comes first.
      limit: see `vocabulary`.
      name: of the text, for errors.

    Raises:
      UserError: no word of the training part is known, or of a validation or test part that is
        not empty.
    """
    counts = np.bincount(parts[0], minlength=len(words)).tolist()
    counts = {word: n for word, n in zip(words, counts, strict=True) if n}
    if not set(counts) - {END, UNKNOWN}:
        raise UserError(f"{name} has no words to train on; give a file that contains text.")
    symbols = vocabulary(counts, limit)
    code_of = {word: code for code, word in enumerate(symbols)}
    unknown, end = code_of[UNKNOWN], code_of[END]
    codes = np.array([code_of.get(word, unknown) for word in words], np.int32)
    _check_known(parts, codes, symbols, name)
    train = codes.astype(compact(len(symbols)))[parts[0]]
    valid, test = (np.append(np.int32(end), codes[part]) for part in parts[1:])
    return Text(train, valid, test, symbols)


def unknown_share(part: np.ndarray, symbols: Sequence[str]) -> float:
    """The share of unknown words among the words of a part, line ends apart; 0 if it has none.

    Args:
      part: codes [N].
      symbols: the vocabulary.
    """
    words = np.count_nonzero(part != symbols.index(END))
    return np.count_nonzero(part == symbols.index(UNKNOWN)) / words if words else 0.0


def _check_known(
    parts: Sequence[np.ndarray], codes: np.ndarray, symbols: Sequence[str], name: str
) -> None:
    """Raises UserError for a part of which every word is a line end or unknown."""
    if len(symbols) == 2:
        raise UserError(
            f"{name}: no word occurs twice in the training part, or --vocabulary admits none; "
            "give a longer text, or a larger --vocabulary."
        )
    known = ~np.isin(codes, [symbols.index(END), symbols.index(UNKNOWN)])
    for part, adjective in zip(parts[1:], ("validation", "test"), strict=True):
        if len(part) and not known[part].any():
            raise UserError(
                f"{name}: the {adjective} part has none of the {len(symbols) - 2:,} words that "
                "the training part makes known; give a longer text, or a larger --vocabulary."
            )


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
