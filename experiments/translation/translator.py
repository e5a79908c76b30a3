"""Translating lines of text by beam search, in batches of similar length."""

import functools
from typing import NamedTuple

import jax
import numpy as np

from data.vocabulary import BEGIN, END, PADDING
from experiments.training.loop import Watch, unwatched
from experiments.translation.pairs import Vocabularies, source_codes
from nets.search import beam_search
from nets.seq2seq import Seq2Seq

SLACK = 10  # words allowed beyond twice the expected length of a translation
ROWS = 64  # sentences in a batch; fewer if they are long
MAX_WORDS = 4096  # of the source in a batch, padding included


class Hypothesis(NamedTuple):
    """A translation: its text, and its log-probability divided by length^power."""

    text: str
    score: float


class Translator(NamedTuple):
    """A net with its vocabularies, and how to search with it."""

    model: Seq2Seq
    vocabularies: Vocabularies
    reverse: bool  # whether the source is reversed
    growth: float  # mean number of target words per source word
    beam: int = 5
    power: float = 1.0

    def translate(
        self, params, lines: list[str], watch: Watch = unwatched
    ) -> list[list[Hypothesis]]:
        """The best translations of each line, best first: at most `beam` of them.

        An empty line has one, which is empty. `watch` goes through the batches
        (`experiments.training.loop`).
        """
        codes = [source_codes(self.vocabularies.source, line, self.reverse) for line in lines]
        translations = [[Hypothesis("", 0.0)] for _ in lines]
        by_width = {}
        for n, line in enumerate(codes):
            if len(line) > 1:  # not just END
                by_width.setdefault(width_for(len(line)), []).append(n)
        batches = []
        for width, numbers in sorted(by_width.items()):
            rows = min(ROWS, max(1, MAX_WORDS // width))
            batches += [(width, rows, numbers[n : n + rows]) for n in range(0, len(numbers), rows)]
        for width, rows, batch in watch(batches, "translation", len(batches)):
            best = self._batch(params, [codes[n] for n in batch], width, rows)
            for n, hypotheses in zip(batch, best, strict=True):
                translations[n] = hypotheses
        return translations

    def _batch(self, params, codes: list[list[int]], width: int, rows: int):
        source = np.full((rows, width), PADDING, np.int32)
        lengths = np.zeros(rows, int)
        for n, line in enumerate(codes):
            source[n, : len(line)], lengths[n] = line, len(line)
        mask = np.arange(width) < lengths[:, None]
        most = int(2 * self.growth * width) + SLACK
        limits = np.minimum(most, (2 * self.growth * lengths).astype(int) + SLACK)
        limits[len(codes) :] = 1  # padding rows end at once
        search = make_search(self.model, self.beam, self.power, most)
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
    """The padded length of a source of `length` words: one of few, as each is compiled."""
    width = 8
    while width < length:
        width = width + 8 if width < 32 else 2 * width
    return width


@functools.lru_cache(maxsize=16)
def make_search(model: Seq2Seq, beam: int, power: float, length: int):
    """A compiled function (params, source [B, S], mask [B, S], limits [B]) -> Beams."""

    def search(params, source, mask, limits):
        memory, carry = model.begin(params, model.encode(params, source.T, mask.T))

        def step(carry, symbols):
            carry, logits, _ = model.decode(params, memory, carry, symbols[None])
            return carry, logits[0]

        return beam_search(step, carry, begin=BEGIN, end=END, limits=limits, length=length,
                           beam=beam, power=power)  # fmt: skip

    return jax.jit(search)
