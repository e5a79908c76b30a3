"""How good word vectors are: analogies, pairs that people have judged, and known classes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from data.word_similarity import SEMANTIC, Analogies, Pair, WordTests

MOST_WORDS = 30_000  # the most frequent words, among which analogies are answered
QUESTIONS_AT_ONCE = 512
NEIGHBOURS = 5  # nearest words that are compared with a word's class


class SectionScore(NamedTuple):
    """How a section of analogies was answered."""

    section: str
    right: int
    seen: int  # questions of known words
    questions: int

    @property
    def percent(self) -> float:
        return 100 * self.right / self.seen if self.seen else 0.0


class Vectors:
    """Words, the most frequent first, and their vectors, scaled to length 1: [V, D]."""

    def __init__(self, words: Sequence[str], vectors: np.ndarray):
        vectors = np.asarray(vectors)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        self.words = tuple(words)
        self.unit = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
        self._number = {word: n for n, word in enumerate(self.words)}

    def number(self, word: str) -> int | None:
        """A word's row, as written or else in lower case; None if there is none."""
        return self._number.get(word, self._number.get(word.lower()))

    def nearest(
        self, query: np.ndarray, without: Iterable[int], count: int
    ) -> list[tuple[str, float]]:
        """The words whose vectors have the largest cosine with `query` [D], and that cosine."""
        cosines = self.unit @ (query / max(np.linalg.norm(query), 1e-12))
        cosines[list(without)] = -np.inf
        best = np.argsort(-cosines, kind="stable")[:count]
        return [(self.words[n], float(cosines[n])) for n in best if np.isfinite(cosines[n])]


def answer_analogies(vectors: Vectors, sections: Sequence[Analogies]) -> list[SectionScore]:
    """Answers `a is to b as c is to ?` by the word nearest to b - a + c, a, b and c left out.

    As the program `compute-accuracy` does: among the 30,000 most frequent words, whatever their
    letters' case; a question with an unknown word is left out, and counted.
    """
    folded = [word.upper() for word in vectors.words[:MOST_WORDS]]
    number = {word: n for n, word in reversed(list(enumerate(folded)))}  # the first one counts
    unit, names = vectors.unit[: len(folded)], np.array([number[word] for word in folded])
    scores = []
    for section, questions in sections:
        rows = [[number.get(word.upper(), -1) for word in question] for question in questions]
        known = np.array([row for row in rows if min(row) >= 0], int).reshape(-1, 4)
        cuts = range(0, len(known), QUESTIONS_AT_ONCE)
        right = sum(_right(unit, names, known[n : n + QUESTIONS_AT_ONCE]) for n in cuts)
        scores.append(SectionScore(section, right, len(known), len(questions)))
    return scores


def _right(unit: np.ndarray, names: np.ndarray, questions: np.ndarray) -> int:
    a, b, c, d = questions.T
    cosines = (unit[b] - unit[a] + unit[c]) @ unit.T
    np.put_along_axis(cosines, questions[:, :3], -np.inf, axis=1)
    return int((names[cosines.argmax(1)] == d).sum())


def rank_correlation(vectors: Vectors, pairs: Sequence[Pair]) -> tuple[float, int]:
    """Spearman's correlation of cosines with people's scores, and the pairs of known words.

    It is 0 where fewer than three pairs are known, or all are judged alike.
    """
    from scipy.stats import spearmanr

    found = [(vectors.number(first), vectors.number(second), score)
             for first, second, score in pairs]  # fmt: skip
    known = [row for row in found if None not in row]
    if len(known) < 3:
        return 0.0, len(known)
    first, second, scores = zip(*known, strict=True)
    cosines = (vectors.unit[list(first)] * vectors.unit[list(second)]).sum(1)
    if np.ptp(cosines) == 0 or np.ptp(scores) == 0:
        return 0.0, len(known)
    return float(spearmanr(cosines, scores).statistic), len(known)


def published_scores(
    vectors: Vectors, tests: WordTests
) -> tuple[dict[str, float], list[SectionScore]]:
    """Figures of the published tests, and the analogies by section."""
    sections = answer_analogies(vectors, tests.analogies)
    wordsim, wordsim_pairs = rank_correlation(vectors, tests.wordsim)
    simlex, simlex_pairs = rank_correlation(vectors, tests.simlex)
    figures = {
        "analogies_percent": total(sections).percent,
        "analogies_of_meaning_percent": total(sections[:SEMANTIC]).percent,
        "analogies_of_grammar_percent": total(sections[SEMANTIC:]).percent,
        "analogies_seen": total(sections).seen,
        "wordsim_correlation": wordsim, "wordsim_pairs": wordsim_pairs,
        "simlex_correlation": simlex, "simlex_pairs": simlex_pairs,
    }  # fmt: skip
    return figures, sections


def total(sections: Sequence[SectionScore], name: str = "total") -> SectionScore:
    """All sections as one."""
    counts = [sum(section[n] for section in sections) for n in (1, 2, 3)]
    return SectionScore(name, *counts)


def same_class_percent(vectors: Vectors, classes: Mapping[str, str]) -> float:
    """Of the nearest words of each word of a known class, the share that are of its class.

    A word has as many nearest words as its class has others, `NEIGHBOURS` at most; words alone in
    their class are left out.
    """
    known = [n for n, word in enumerate(vectors.words) if word in classes]
    kinds = np.array([classes[vectors.words[n]] for n in known])
    cosines = vectors.unit[known] @ vectors.unit[known].T
    np.fill_diagonal(cosines, -np.inf)
    shares = []
    for row, kind in zip(cosines, kinds, strict=True):
        others = min(NEIGHBOURS, (kinds == kind).sum() - 1)
        nearest = np.argsort(-row, kind="stable")[:others]
        shares += [np.mean(kinds[nearest] == kind)] if others else []
    return 100 * float(np.mean(shares)) if shares else 0.0
