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


def short_pairs(train: Coded, vocabularies: Vocabularies, longest: int) -> np.ndarray:
    """The rows with at most `longest` units on either side; prints how many others there are.

    Raises:
      UserError: there is none.
    """
    rows = np.flatnonzero((train.lengths - 1 <= longest).all(1))  # of which END is one
    if not len(rows):
        raise UserError(f"--longest={longest}: every training pair is longer; increase it.")
    if dropped := len(train.lengths) - len(rows):
        units = " or ".join(
            f"{longest:,} {vocabulary.unit} in the {side}"
            for side, vocabulary in zip(("source", "target"), vocabularies, strict=True)
        )
        print(f"{dropped:,} of {len(train.lengths):,} training pairs have more than {units} and "
              f"are left out (--longest={longest})", flush=True)  # fmt: skip
    return rows


class Sentences(NamedTuple):
    """An encoded corpus, and the shapes of its batches."""

    train: Coded
    valid: Coded
    test: Coded
    shapes: np.ndarray  # [K, 2]

    @classmethod
    def of(
        cls, corpus: Corpus, vocabularies: Vocabularies, reverse: bool, longest: int
    ) -> tuple["Sentences", Corpus]:
        """The encoded corpus, and the corpus itself, both without training pairs that are too long.

        Raises:
          UserError: no training pair is left.
        """
        train, *others = (coded(pairs, vocabularies, reverse) for pairs in corpus)
        rows = short_pairs(train, vocabularies, longest)
        parts = [Coded(*(side.select(rows) for side in train)), *others]
        pairs = Pairs(*([side[row] for row in rows] for side in corpus.train))
        lengths = np.concatenate([part.lengths for part in parts])
        return cls(*parts, bucket_shapes(lengths, WASTE)), corpus._replace(train=pairs)

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
