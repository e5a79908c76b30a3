"""Labelled sentences, and their words, letters and labels as integer codes."""

import hashlib
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from data.buckets import Ragged
from data.errors import UserError


class Sentences(NamedTuple):
    """The words of each sentence, with one label per word or one per sentence."""

    words: Sequence[Sequence[str]]
    labels: Sequence[Sequence[str]]  # one for each word, or a single one for the whole sentence
    features: Sequence[Sequence[str]] | None = None  # one for each word


class Corpus(NamedTuple):
    """Training, validation and test sentences."""

    train: Sentences
    valid: Sentences
    test: Sentences
    whole: bool = False  # whether each sentence has a single label
    # For cross-validation, int [N]: the fold that tests on each sentence of `train`; `test` is
    # then the same as `train`.
    folds: np.ndarray | None = None


UNKNOWN = 0  # the code of unknown words and letters
DIGITS = ("kept", "0")  # how words with digits are looked up: as written, or each digit as a 0


class Coding(NamedTuple):
    """The integer codes of words, letters, labels and features; 0 is unknown or padding."""

    words: tuple[str, ...]  # the first and most frequent has code 1
    letters: str
    labels: tuple[str, ...]  # the first has code 0
    features: tuple[str, ...]
    lowercase: bool  # whether words are looked up in lower case; letters keep their case
    longest: int  # letters read per word; of a longer word, the first and the last half
    frequent: int  # how many words (the first ones) occur more than once in the training part
    digits: str = "0"  # one of DIGITS

    def facts(self) -> dict[str, str]:
        """A short hash that identifies this coding."""
        kept = self.digits == "kept" and any(map(_has_digit, self.words))
        # Runs from before there was a choice read digits as 0: theirs is the hash without it.
        text = repr(self).removesuffix(f", digits={self.digits!r})") + ")" + ", kept" * kept
        sha = hashlib.sha256(text.encode())
        return {"coding": sha.hexdigest()[:16]}


class Coded(NamedTuple):
    """Sentences as integer codes."""

    words: Ragged
    letters: Ragged | None  # uint16 [L] for each word
    features: Ragged
    labels: Ragged

    @property
    def lengths(self) -> np.ndarray:
        """The number of words in each sentence, [N]."""
        return self.words.lengths


def lookup_form(word: str, lowercase: bool, digits: str, known: Container[str] = ()) -> str:
    """The form in which a word is looked up.

    Args:
      word: as written.
      lowercase: whether to convert it to lower case.
      digits: one of DIGITS; with `0`, every digit of a word that is not in `known` becomes 0.
      known: words that have a code or a vector of their own.
    """
    word = word.lower() if lowercase else word
    if digits == "kept" or word in known:
        return word
    return "".join("0" if c.isdigit() else c for c in word)


def _has_digit(word: str) -> bool:
    return any(c.isdigit() for c in word)


def coding_of(
    corpus: Corpus,
    *,
    lowercase: bool,
    least: int,
    longest: int,
    digits: str = "kept",
    known: Iterable[str] = (),
) -> Coding:
    """Assigns codes to the words that occur at least `least` times in the training part.

    Args:
      corpus: labels and letters come from all three parts, so that a label that occurs only in
        the test part is counted as wrong and does not raise an error.
      lowercase: see `Coding`.
      least: words that occur less often have no code.
      longest: see `Coding`.
      digits: one of DIGITS.
      known: words that have pretrained vectors; they get codes if they occur in any part.
    """
    known = set(known)

    def form(word: str) -> str:
        return lookup_form(word, lowercase, digits, known)

    parts = (corpus.train, corpus.valid, corpus.test)
    counts: Counter[str] = Counter()
    for word, n in Counter(chain.from_iterable(corpus.train.words)).items():
        counts[form(word)] += n
    words = [w for w, n in counts.most_common() if n >= least]
    distinct = set(chain.from_iterable(sentence for part in parts for sentence in part.words))
    if known:
        words += sorted((set(map(form, distinct)) & known) - set(words))
    letters = set(chain.from_iterable(distinct))
    labels = set(chain.from_iterable(row for part in parts for row in part.labels))
    features = set(chain.from_iterable(row for part in parts for row in part.features or ()))
    ordered = ("".join(sorted(letters)), tuple(sorted(labels)), tuple(sorted(features)))
    frequent = sum(n > 1 for n in counts.values() if n >= least)
    return Coding(tuple(words), *ordered, lowercase, longest, frequent, digits)


def coded(sentences: Sentences, coding: Coding, letters: bool = True) -> Coded:
    """Replaces words, letters, features and labels by their codes; letters only if asked to."""
    words = _codes(coding.words, 1)
    labels = _codes(coding.labels, 0)
    features = _codes(coding.features, 1)

    def code_of_word(word: str) -> int:
        return words.get(lookup_form(word, coding.lowercase, coding.digits, words), UNKNOWN)

    return Coded(
        _ragged(sentences.words, code_of_word),
        _ragged_letters(sentences.words, coding) if letters else None,
        _ragged(sentences.features or [[]], lambda f: features.get(f, UNKNOWN)),
        _ragged(sentences.labels, labels.__getitem__),
    )


def _ragged(rows: Sequence[Sequence[str]], code_of: Callable[[str], int]) -> Ragged:
    """The code of each name, int32."""
    codes = {name: code_of(name) for name in set(chain.from_iterable(rows))}
    return Ragged.cut(_looked_up(codes, rows), map(len, rows))


def _looked_up(codes: Mapping[str, int], rows: Sequence[Sequence[str]]) -> np.ndarray:
    return np.fromiter(map(codes.__getitem__, chain.from_iterable(rows)), np.int32)


def _ragged_letters(rows: Sequence[Sequence[str]], coding: Coding) -> Ragged:
    """The codes of the letters of each word, uint16 [longest]."""
    letters = _codes(coding.letters, 1)
    numbers = _codes(dict.fromkeys(chain.from_iterable(rows)), 0)  # of distinct words
    table = np.zeros((len(numbers), coding.longest), np.uint16)
    for word, number in numbers.items():
        codes = _spelled(word, letters, coding.longest)
        table[number, : len(codes)] = codes
    return Ragged.cut(table[_looked_up(numbers, rows)], map(len, rows))


def _codes(names: Iterable[str], first: int) -> Mapping[str, int]:
    return {name: code for code, name in enumerate(names, first)}


def _spelled(word: str, letters: Mapping[str, int], longest: int) -> list[int]:
    if len(word) > longest:
        word = word[: longest // 2] + word[len(word) - (longest - longest // 2) :]
    # Letters without a code are skipped: their code would be that of padding.
    return [letters[c] for c in word if c in letters]


def unseen_labels(corpus: Corpus) -> list[str]:
    """Labels that occur in the validation or test part but not in the training part."""
    train = {label for row in corpus.train.labels for label in row}
    others = {label for part in (corpus.valid, corpus.test) for row in part.labels for label in row}
    return sorted(others - train)


def check(corpus: Corpus, name: str) -> None:
    """Raises UserError if a part has no sentences, or if all training labels are the same."""
    names = {"train": "training", "valid": "validation", "test": "test"}
    for part, adjective in names.items():
        if not getattr(corpus, part).words:
            raise UserError(f"{name}: the {adjective} part has no sentences; give a longer file.")
    if len({label for row in corpus.train.labels for label in row}) < 2:
        raise UserError(
            f"{name}: all words of the training part have the same label; give another "
            "--label_column."
        )
