"""What word2vec is trained on: words with their contexts, drawn negatives and paths in a tree.

As in the authors' program, in each pass frequent words are left out at random, and what is left of
a line is cut into sentences of 1,000 words at most; each word then has a context of 1 to `window`
words on either side within its sentence. All is a function of (seed, step): a pass is drawn from
its own seed, and so are the negatives of a thousand steps.
"""

import heapq
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from data.text_stream import WordStream

SENTENCE = 1000  # the most words of a sentence
POWER = 0.75  # of the words' frequencies, from which negatives are drawn
ENTRIES, FEWEST_ENTRIES = 200, 10**6  # of the table of negatives: for each word, and in all
PAGE = 1024  # steps whose negatives are drawn at once
_PASSES, _NEGATIVES = 1, 2  # kinds of random numbers


class Blocks(NamedTuple):
    """The blocks of words of steps; see `nets.word2vec.Block`."""

    words: np.ndarray  # int32 [n, B, T + 2 window]
    left: np.ndarray  # int32 [n, B, T]
    right: np.ndarray  # int32 [n, B, T]
    negatives: np.ndarray  # int32 [n, B, M]
    nodes: np.ndarray  # int32 [n, B, T, L]
    turns: np.ndarray  # int8 [n, B, T, L]


class Tree(NamedTuple):
    """A Huffman tree: the path from the root to each word."""

    nodes: np.ndarray  # int32 [V, L]: inner nodes, 0 to V - 2; 0 after the end
    turns: np.ndarray  # int8 [V, L]: 1 to the lighter child, -1 to the other, 0 after the end


class Pass(NamedTuple):
    """One pass through a text: the words that were kept, each with the extent of its context."""

    codes: np.ndarray  # [n]
    left: np.ndarray  # uint16 [n]: how many words before it are its context
    right: np.ndarray  # uint16 [n]


def keep_probabilities(counts: np.ndarray, sample: float) -> np.ndarray:
    """The probability of keeping each word: (sqrt(f / t) + 1) t / f, at most 1.

    That is the program's rule with f a word's relative frequency and t = `sample`; the paper has
    sqrt(t / f). With `sample` 0 every word is kept.
    """
    if not sample:
        return np.ones(len(counts))
    share = counts / counts.sum() / sample
    return np.minimum((np.sqrt(share) + 1) / share, 1)


def negatives_table(counts: np.ndarray) -> np.ndarray:
    """Words int32 [N], each about as often as it is to be drawn: by its count to the 3/4.

    As in the program, which has a table of 10^8; here a word of average share has 200 entries.
    """
    share = np.cumsum(counts**POWER)
    size = max(FEWEST_ENTRIES, ENTRIES * len(counts))
    places = (np.arange(size) + 0.5) / size
    return np.searchsorted(share / share[-1], places).astype(np.int32)


def draw_pass(text: WordStream, keep: np.ndarray, window: int, random: np.random.Generator) -> Pass:
    """Draws which words are kept in a pass, and their contexts."""
    kept = random.random(len(text.codes), np.float32) < keep.astype(np.float32)[text.codes]
    codes = text.codes[kept]
    starts = _sentence_starts(kept, text.line_ends, len(codes))
    ends = np.append(starts[1:], len(codes))[: len(starts)]
    lengths = ends - starts
    place = np.arange(len(codes)) - np.repeat(starts, lengths)
    after = np.repeat(ends, lengths) - np.arange(len(codes)) - 1
    reach = random.integers(1, window + 1, len(codes))
    return Pass(codes, *(np.minimum(reach, x).astype(np.uint16) for x in (place, after)))


def _sentence_starts(kept: np.ndarray, line_ends: np.ndarray, size: int) -> np.ndarray:
    """Where sentences start among the words that were kept: at line starts, and in long lines."""
    before = np.append(0, np.cumsum(kept))
    lines = np.unique(np.append(0, before[line_ends]))
    lines = lines[lines < size]
    lengths = np.diff(np.append(lines, size))
    sentences = -(-lengths // SENTENCE)
    number = np.arange(sentences.sum()) - np.repeat(np.cumsum(sentences) - sentences, sentences)
    return np.repeat(lines, sentences) + SENTENCE * number


class Windows:
    """The blocks of every step of a run.

    A block is one of `rows * steps` equal parts of a pass: row r of a step is out of the r-th of
    `rows` parts of the text, as each thread of the program reads its own part.
    """

    def __init__(
        self, text: WordStream, *, window: int, sample: float, block: int, rows: int,
        shared: int, tree: bool, seed: int,
    ):
        """Args as in `experiments/word2vec.py`; `shared` is the number of negatives of a block."""
        self._text, self._window, self._block, self._rows = text, window, block, rows
        self._shared, self._seed = shared, seed
        self._keep = keep_probabilities(text.counts, sample)
        self._table = negatives_table(text.counts)
        self._tree = huffman(text.counts) if tree else None
        expected = (self._keep * text.counts).sum()
        spread = np.sqrt((self._keep * (1 - self._keep) * text.counts).sum())
        most = min(expected + 8 * spread, len(text.codes))  # one pass in 10^15 has more
        self.steps_in_a_pass = max(1, int(-(-most // (block * rows))))
        self._pass = lru_cache(maxsize=2)(self._drawn_pass)
        self._page = lru_cache(maxsize=2)(self._drawn_page)

    def _drawn_pass(self, number: int) -> Pass:
        random = np.random.default_rng([self._seed, _PASSES, number])
        drawn = draw_pass(self._text, self._keep, self._window, random)
        left, right = (np.append(xs, 0) for xs in drawn[1:])  # one more, if all were left out
        return Pass(np.pad(drawn.codes, self._window), left, right)

    def _drawn_page(self, number: int) -> np.ndarray:
        random = np.random.default_rng([self._seed, _NEGATIVES, number])
        return self._table[random.integers(0, len(self._table), (PAGE, self._rows, self._shared))]

    def blocks(self, first: int, count: int) -> Blocks:
        """The blocks of the steps first, first + 1, ...; they do not depend on the cut."""
        steps = np.arange(first, first + count)
        passes = steps // self.steps_in_a_pass
        parts = [self._of_pass(n, steps[passes == n]) for n in np.unique(passes).tolist()]
        return Blocks(*map(np.concatenate, zip(*parts, strict=True)))

    def _of_pass(self, number: int, steps: np.ndarray) -> Blocks:
        """The blocks of steps [n] of one pass."""
        drawn, parts = self._pass(number), self._rows * self.steps_in_a_pass
        size = len(drawn.codes) - 2 * self._window
        part = np.arange(self._rows) * self.steps_in_a_pass + steps[:, None] % self.steps_in_a_pass
        start, stop = part * size // parts, (part + 1) * size // parts  # [n, B]
        at = start[..., None] + np.arange(self._block + 2 * self._window)
        words = drawn.codes.take(at, mode="clip").astype(np.int32)
        at = at[..., : self._block]
        inside = at < stop[..., None]  # the words after it are those of the next block
        left, right = (xs.take(at, mode="clip") * inside for xs in drawn[1:])
        nodes, turns = self._paths(words[..., self._window : self._window + self._block])
        negatives = self._negatives(int(steps[0]), int(steps[-1]) + 1)
        return Blocks(words, left.astype(np.int32), right.astype(np.int32), negatives, nodes, turns)

    def _negatives(self, first: int, stop: int) -> np.ndarray:
        """The drawn words of the steps from `first` to before `stop`: [n, B, M]."""
        pages = range(first // PAGE, (stop - 1) // PAGE + 1)
        drawn = np.concatenate([self._page(n) for n in pages])
        return drawn[first - pages[0] * PAGE : stop - pages[0] * PAGE]

    def _paths(self, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self._tree is None:
            empty = np.zeros((*targets.shape, 0))
            return empty.astype(np.int32), empty.astype(np.int8)
        return self._tree.nodes[targets], self._tree.turns[targets]


def huffman(counts: np.ndarray) -> Tree:
    """The Huffman tree of V >= 2 words that occur `counts` [V] times; the root is node V - 2."""
    size = len(counts)
    heap = [(int(count), n) for n, count in enumerate(counts)]
    heapq.heapify(heap)
    parent, turn = np.zeros(2 * size - 1, np.int64), np.zeros(2 * size - 1, np.int8)
    for node in range(size, 2 * size - 1):
        (light, a), (heavy, b) = heapq.heappop(heap), heapq.heappop(heap)
        parent[[a, b]], turn[[a, b]] = node, (1, -1)
        heapq.heappush(heap, (light + heavy, node))
    paths = [_path(word, parent, turn, size) for word in range(size)]
    length = max(len(path) for path in paths)
    nodes, turns = np.zeros((size, length), np.int32), np.zeros((size, length), np.int8)
    for word, path in enumerate(paths):
        nodes[word, : len(path)], turns[word, : len(path)] = zip(*path, strict=True)
    return Tree(nodes, turns)


def _path(word: int, parent: np.ndarray, turn: np.ndarray, size: int) -> list[tuple[int, int]]:
    """(inner node, turn) from the root to a word."""
    path, at = [], word
    while at != 2 * size - 2:
        path.append((int(parent[at]) - size, int(turn[at])))
        at = parent[at]
    return path[::-1]
