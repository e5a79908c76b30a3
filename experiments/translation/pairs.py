"""Pairs of sentences encoded as numbers, and their batches."""

from typing import NamedTuple

import numpy as np

from data.buckets import Buckets, Ragged, bucket_shapes
from data.errors import UserError
from data.parallel_text import Corpus, Pairs
from data.vocabulary import BEGIN, END, UNKNOWN, Vocabulary, build
from experiments.runtime.mesh import block_of_batches, own_rows

EVALUATION_BATCH = 64
WASTE = 0.4  # padding per real entry; less would need more buckets, each a program to compile


class Vocabularies(NamedTuple):
    """The vocabularies of both sides."""

    source: Vocabulary
    target: Vocabulary


class Coded(NamedTuple):
    """Encoded pairs: sources end with END, targets begin with BEGIN and end with END."""

    sources: Ragged
    targets: Ragged

    @property
    def lengths(self) -> np.ndarray:
        """The lengths of the encoder's and the decoder's inputs, [N, 2]."""
        return np.stack([self.sources.lengths, self.targets.lengths - 1], 1)

    @property
    def unknown_share(self) -> float:
        """The share of unknown units among those of the targets, which perplexity takes as one."""
        return float(np.mean(self.targets.entries == UNKNOWN))


class Batch(NamedTuple):
    """A batch of padded pairs."""

    source: np.ndarray  # int [B, S]
    source_mask: np.ndarray  # bool [B, S]
    target: np.ndarray  # int [B, T + 1]
    target_mask: np.ndarray  # bool [B, T], of the predicted words


def make_vocabularies(config, train: Pairs) -> Vocabularies:
    """Both vocabularies; prints whether `--vocabulary` limits them. Raises UserError."""
    vocabularies = Vocabularies(
        build(train.sources, config.source_unit, config.vocabulary, config.least_count),
        build(train.targets, config.target_unit, config.vocabulary, config.least_count),
    )
    for side, vocabulary, lines in zip(("source", "target"), vocabularies, train, strict=True):
        if len(vocabulary) == config.vocabulary and vocabulary.unit != "subwords":
            whole = len(build(lines, vocabulary.unit, 0, config.least_count))
            print(f"{side}: {len(vocabulary):,} of {whole:,} {vocabulary.unit} are known "
                  f"(--vocabulary={config.vocabulary})", flush=True)  # fmt: skip
    return vocabularies


def source_codes(vocabulary: Vocabulary, line: str, reverse: bool) -> list[int]:
    """The codes of a source line, in the order in which the encoder reads them."""
    codes = vocabulary.codes(line)
    return [*(codes[::-1] if reverse else codes), END]


def coded(pairs: Pairs, vocabularies: Vocabularies, reverse: bool) -> Coded:
    """Encodes pairs of sentences."""
    sources = [source_codes(vocabularies.source, line, reverse) for line in pairs.sources]
    targets = [[BEGIN, *vocabularies.target.codes(line), END] for line in pairs.targets]
    return Coded(Ragged.of(sources, np.int32), Ragged.of(targets, np.int32))


def drop_long(pairs: Pairs, vocabularies: Vocabularies, longest: int) -> Pairs:
    """The pairs with at most `longest` units on either side; prints how many are left out.

    Raises:
      UserError: no pair is left.
    """
    kept = [
        pair
        for pair in zip(*pairs, strict=True)
        if all(len(v.codes(line)) <= longest for v, line in zip(vocabularies, pair, strict=True))
    ]
    if not kept:
        raise UserError(f"--longest={longest}: every training pair is longer; increase it.")
    if dropped := len(pairs.sources) - len(kept):
        units = " or ".join(
            f"{longest:,} {vocabulary.unit} in the {side}"
            for side, vocabulary in zip(("source", "target"), vocabularies, strict=True)
        )
        print(f"{dropped:,} of {len(pairs.sources):,} training pairs have more than {units} and "
              f"are left out (--longest={longest})", flush=True)  # fmt: skip
    return Pairs(*map(list, zip(*kept, strict=True)))


class Sentences(NamedTuple):
    """An encoded corpus, and the shapes of its batches."""

    train: Coded
    valid: Coded
    test: Coded
    shapes: np.ndarray  # [K, 2]

    @classmethod
    def of(cls, corpus: Corpus, vocabularies: Vocabularies, reverse: bool) -> "Sentences":
        parts = [coded(pairs, vocabularies, reverse) for pairs in corpus]
        lengths = np.concatenate([part.lengths for part in parts])
        return cls(*parts, bucket_shapes(lengths, WASTE))

    @property
    def growth(self) -> float:
        """The mean number of target words per source word."""
        return float(self.train.lengths[:, 1].sum() / self.train.lengths[:, 0].sum())


def make_batches(config, sentences: Sentences, buckets: Buckets, mesh):
    """Blocks of Batches [steps, B, ...] as a pure function of the step."""

    def batches(first: int, count: int) -> Batch:
        bucket, rows = buckets.rows(first, count)
        rows = rows[:, own_rows(rows.shape[1])]
        block = batch_of(sentences.train, rows, sentences.shapes[bucket])
        return block_of_batches(mesh, block, config.steps_per_call)

    return batches


def batch_of(pairs: Coded, rows: np.ndarray, shape: np.ndarray) -> Batch:
    """The pairs with these row numbers, padded to a shape (S, T)."""
    source, source_mask = pairs.sources.padded(rows, int(shape[0]))
    target, target_mask = pairs.targets.padded(rows, int(shape[1]) + 1)
    return Batch(source, source_mask, target, target_mask[..., 1:])
