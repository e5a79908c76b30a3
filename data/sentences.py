"""Sentences with labels, and their words, letters and labels as numbers."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from data.buckets import Ragged
from data.errors import UserError


class Sentences(NamedTuple):
    """Words in order, with one label for each, or one for a whole sentence."""

    words: Sequence[Sequence[str]]
    labels: Sequence[Sequence[str]]  # as long as `words`, or of length 1 for a whole sentence
    features: Sequence[Sequence[str]] | None = None  # as long as `words`


class Corpus(NamedTuple):
    """What to learn from, to choose by, and to be tested on."""

    train: Sentences
    valid: Sentences
    test: Sentences
    whole: bool = False  # whether a label is of a whole sentence
    # Cross-validation: which fold's test set holds each sentence of `train`, which is then `test`
    # too; int [N].
    folds: np.ndarray | None = None


UNKNOWN = 0  # the code of a word that has none of its own, or of a letter


class Coding(NamedTuple):
    """What stands for which number; 0 is what is not listed, or padding."""

    words: tuple[str, ...]  # code 1 is the first, the most frequent
    letters: str
    labels: tuple[str, ...]  # code 0 is the first
    features: tuple[str, ...]
    lowercase: bool  # whether words are looked up in small letters; letters are what they are
    longest: int  # letters of a word that are read: of a longer one the first and last half
    frequent: int  # so many words, the first ones, come more than once in the training part

    def facts(self) -> dict[str, str]:
        """What tells this coding from others, in a short word."""
        sha = hashlib.sha256(repr(self).encode())
        return {"coding": sha.hexdigest()[:16]}


class Coded(NamedTuple):
    """Sentences as numbers."""

    words: Ragged
    letters: Ragged  # uint16 [L] for each word
    features: Ragged
    labels: Ragged

    @property
    def lengths(self) -> np.ndarray:
        """Words of each sentence, [N]."""
        return self.words.lengths


def normal(word: str, lowercase: bool) -> str:
    """A word as it is looked up: in small letters, every digit a 0."""
    word = "".join("0" if c.isdigit() else c for c in word)
    return word.lower() if lowercase else word


def coding_of(
    corpus: Corpus, *, lowercase: bool, least: int, longest: int, known: Iterable[str] = ()
) -> Coding:
    """Numbers for the words of the training part that come `least` times or more.

    Args:
      corpus: its three parts give labels and letters too, so that a label that only the test has
        counts as an error and not as a fault.
      lowercase: see `Coding`.
      least: rarer words have no number.
      longest: see `Coding`.
      known: words that have given vectors: those of them in any part have numbers.
    """
    counts = Counter(
        normal(word, lowercase) for sentence in corpus.train.words for word in sentence
    )
    parts = (corpus.train, corpus.valid, corpus.test)
    known = set(known)
    words = [w for w, n in counts.most_common() if n >= least]
    if known:
        others = {normal(w, lowercase) for part in parts for sentence in part.words
                  for w in sentence}  # fmt: skip
        words += sorted((others & known) - set(words))
    letters = {c for part in parts for sentence in part.words for word in sentence for c in word}
    labels = {label for part in parts for sentence in part.labels for label in sentence}
    features = {f for part in parts for row in part.features or () for f in row}
    ordered = ("".join(sorted(letters)), tuple(sorted(labels)), tuple(sorted(features)))
    frequent = sum(n > 1 for n in counts.values() if n >= least)
    return Coding(tuple(words), *ordered, lowercase, longest, frequent)


def coded(sentences: Sentences, coding: Coding) -> Coded:
    """Sentences as numbers."""
    words = _numbers(coding.words, 1)
    letters = _numbers(coding.letters, 1)
    labels = _numbers(coding.labels, 0)
    features = _numbers(coding.features, 1)
    spelled: dict[str, np.ndarray] = {}
    for sentence in sentences.words:
        for word in sentence:
            if word not in spelled:
                spelled[word] = _spelled(word, letters, coding.longest)
    def ragged(dtype, number, rows) -> Ragged:
        return Ragged.of([[number(name) for name in row] for row in rows], dtype)

    return Coded(
        ragged(np.int32, lambda w: words.get(normal(w, coding.lowercase), UNKNOWN),
               sentences.words),
        ragged(np.uint16, spelled.__getitem__, sentences.words),
        ragged(np.int32, lambda f: features.get(f, UNKNOWN), sentences.features or [[]]),
        ragged(np.int32, labels.__getitem__, sentences.labels),
    )  # fmt: skip


def _numbers(names: Sequence[str], first: int) -> Mapping[str, int]:
    return {name: number for number, name in enumerate(names, first)}


def _spelled(word: str, letters: Mapping[str, int], longest: int) -> np.ndarray:
    if len(word) > longest:
        word = word[: longest // 2] + word[len(word) - (longest - longest // 2) :]
    # A letter without a number would end the word: the next one takes its place.
    codes = [letters[c] for c in word if c in letters]
    return np.pad(np.array(codes, np.uint16), (0, longest - len(codes)))


def unseen_labels(corpus: Corpus) -> list[str]:
    """Labels of the other parts that the training part never shows."""
    train = {label for row in corpus.train.labels for label in row}
    others = {label for part in (corpus.valid, corpus.test) for row in part.labels for label in row}
    return sorted(others - train)


def check(corpus: Corpus, name: str) -> None:
    """Raises UserError if a part of a corpus has no sentence, or all labels are the same."""
    for part in ("train", "valid", "test"):
        if not getattr(corpus, part).words:
            raise UserError(f"{name}: there is no sentence to {part} with; give a longer file.")
    if len({label for row in corpus.train.labels for label in row}) < 2:
        raise UserError(
            f"{name}: all words to train on have the same label; name another --label_column."
        )
