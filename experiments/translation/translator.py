"""A trained net translates lines of text: beam search over batches of about the same length."""

import functools
from typing import NamedTuple

import jax
import numpy as np

from data.vocabulary import BEGIN, END, PADDING
from experiments.translation.pairs import Vocabularies, source_codes
from nets.search import beam_search
from nets.seq2seq import Seq2Seq

SLACK = 10  # words that a translation may have beyond twice the usual
ROWS = 64  # sentences in a batch, fewer of long ones
CELLS = 4096  # source words in a batch, padding included


class Hypothesis(NamedTuple):
    """A translation: its text, and its log-probability over its length^power."""

    text: str
    score: float


class Translator(NamedTuple):
    """All that turns a line into another one."""

    model: Seq2Seq
    vocabularies: Vocabularies
    reverse: bool  # the source
    growth: float  # target words for a source word, on the average
    beam: int = 5
    power: float = 1.0

    def translate(self, params, lines: list[str]) -> list[list[Hypothesis]]:
        """The best translations of each line, the best first: `beam` of them, or all there are.

        An empty line has one, which is empty.
        """
        codes = [source_codes(self.vocabularies.source, line, self.reverse) for line in lines]
        found = [[Hypothesis("", 0.0)] for _ in lines]
        wide = {}
        for n, line in enumerate(codes):
            if len(line) > 1:  # more than the end
                wide.setdefault(width_for(len(line)), []).append(n)
        for width, numbers in sorted(wide.items()):
            rows = min(ROWS, max(1, CELLS // width))
            for at in range(0, len(numbers), rows):
                some = numbers[at : at + rows]
                best = self._batch(params, [codes[n] for n in some], width, rows)
                for n, hypotheses in zip(some, best, strict=True):
                    found[n] = hypotheses
        return found

    def _batch(self, params, codes: list[list[int]], width: int, rows: int):
        source = np.full((rows, width), PADDING, np.int32)
        lengths = np.zeros(rows, int)
        for n, line in enumerate(codes):
            source[n, : len(line)], lengths[n] = line, len(line)
        mask = np.arange(width) < lengths[:, None]
        most = int(2 * self.growth * width) + SLACK
        limits = np.minimum(most, (2 * self.growth * lengths).astype(int) + SLACK)
        limits[len(codes) :] = 1  # rows that stand for nothing are done at once
        search = searcher(self.model, self.beam, self.power, most)
        beams = jax.device_get(search(params, source, mask, limits))
        return [self._texts(beams.symbols[n], beams.scores[n]) for n in range(len(codes))]

    def _texts(self, symbols: np.ndarray, scores: np.ndarray) -> list[Hypothesis]:
        ends = [np.flatnonzero(row == END) for row in symbols]
        return [
            Hypothesis(self.vocabularies.target.text(row[: end[0]] if len(end) else row), float(s))
            for row, end, s in zip(symbols, ends, scores, strict=True)
            if np.isfinite(s)
        ]


def width_for(length: int) -> int:
    """The width that a source of `length` words is padded to: few, so that few are compiled."""
    width = 8
    while width < length:
        width = width + 8 if width < 32 else 2 * width
    return width


@functools.lru_cache(maxsize=16)
def searcher(model: Seq2Seq, beam: int, power: float, length: int):
    """(params, source [B, S], mask, limits [B]) -> Beams, compiled."""

    def search(params, source, mask, limits):
        memory, carry = model.begin(params, model.encode(params, source.T, mask.T))

        def step(carry, symbols):
            carry, logits, _ = model.decode(params, memory, carry, symbols[None])
            return carry, logits[0]

        return beam_search(step, carry, begin=BEGIN, end=END, limits=limits, length=length,
                           beam=beam, power=power)  # fmt: skip

    return jax.jit(search)
