"""Training steps of recurrent nets of classic sizes, ours against PyTorch's.

A step is the forward pass, the loss, back-propagation through time and the update, in float32.
The two sides draw different initial weights and symbols, which does not affect the time. PyTorch's
own recurrent layers have two bias vectors where ours have one.
"""

import dataclasses
import os
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments.speed.interleaved import chosen, core_counts, rows

RATE = 0.01
CLIP = 5.0  # limit of each entry of the gradient, for the tanh nets only


@dataclasses.dataclass(frozen=True)
class Workload:
    """A net that classifies every step of its sequences into one of `outputs` classes."""

    cell: str  # tanh, relu (with `lengths`), gru (reset after) or lstm
    hidden: int
    steps: int  # T
    batch: int
    inputs: int  # size of the vocabulary, or of an input vector if `lengths`
    outputs: int
    layers: int = 1
    embedding: int = 0  # size of the symbols' embeddings; 0: one-hot vectors
    lengths: bool = False  # vectors as inputs, sequences of unequal length, bidirectional
    dropout: float = 0.0  # on the embedded symbols and on every layer's outputs
    clip_norm: float = 0.0  # limit of the gradient's norm; 0: none

    @property
    def clipped(self) -> bool:
        """Whether Adagrad updates by a gradient clipped by value; otherwise plain SGD is used."""
        return self.cell == "tanh" and not self.lengths


WORKLOADS = {
    f"tanh 84-100-84, T {steps}, batch {batch}": Workload("tanh", 100, steps, batch, 84, 84)
    for batch in (1, 32, 128)
    for steps in (25, 100)
} | {
    "bidirectional tanh 3 x 100, lengths to T 40, batch 80": Workload(
        "tanh", 100, 40, 80, 300, 3, layers=3, lengths=True
    ),
    "GRU 256, T 100, batch 32": Workload("gru", 256, 100, 32, 84, 84, embedding=256),
    "LSTM 650 x 2, vocabulary 10,000, T 35, batch 20": Workload(
        "lstm", 650, 35, 20, 10_000, 10_000, layers=2, embedding=650
    ),
    "LSTM 512, T 50, batch 64": Workload("lstm", 512, 50, 64, 84, 84, embedding=512),
    "LSTM 256 x 2, T 100, batch 32": Workload(
        "lstm", 256, 100, 32, 84, 84, layers=2, embedding=256
    ),
}

WORD_MODELS = {  # the steps of experiments.word_lm
    "zaremba-small: LSTM 200 x 2, vocabulary 10,000, T 20, batch 20": Workload(
        "lstm", 200, 20, 20, 10_000, 10_000, layers=2, embedding=200, clip_norm=5.0
    ),
    "zaremba-medium: LSTM 650 x 2, vocabulary 10,000, T 35, batch 20": Workload(
        "lstm", 650, 35, 20, 10_000, 10_000, layers=2, embedding=650, clip_norm=5.0, dropout=0.5
    ),
}
TAGGERS = {  # of experiments.tagger, above the word vectors
    "opinion: ReLU 3 x 25 both ways, 300 inputs, lengths to T 40, batch 80": Workload(
        "relu", 25, 40, 80, 300, 3, layers=3, lengths=True
    ),
    "chunking: LSTM 100 both ways, 110 inputs, lengths to T 40, batch 32": Workload(
        "lstm", 100, 40, 32, 110, 23, lengths=True
    ),
}
ALL = WORKLOADS | WORD_MODELS | TAGGERS


def example_batch(workload: Workload) -> dict[str, np.ndarray]:
    """Noise: xs [T, B] or [T, B, D], targets [T, B], and lengths [B] if they vary."""
    w, random = workload, np.random.default_rng(0)
    batch = {"targets": random.integers(0, w.outputs, (w.steps, w.batch)).astype(np.int32)}
    if w.lengths:
        batch["xs"] = random.normal(size=(w.steps, w.batch, w.inputs)).astype(np.float32)
        batch["lengths"] = random.integers(w.steps // 4, w.steps + 1, w.batch).astype(np.int32)
    else:
        batch["xs"] = random.integers(0, w.inputs, (w.steps, w.batch)).astype(np.int32)
    return batch


def forms(workload: Workload) -> tuple[str, ...]:
    """The forms in PyTorch: its own layer, a loop over time, and both compiled.

    Compiling a loop takes 10 s for 100 steps of a tanh layer. For gated cells it takes more than
    two minutes and is left out.
    """
    compile_loop = workload.cell == "tanh" and not workload.lengths
    return ("eager", "loop", "compiled", *(["compiled loop"] if compile_loop else []))


def benchmark(
    rounds: int, only: str = "", workloads: Mapping[str, Workload] = WORKLOADS
) -> list[dict[str, Any]]:
    """Rows for one pinned core, the headline, and for two.

    Args:
      rounds: number of times each form is timed.
      only: only workloads whose names contain this are timed; empty: all.
      workloads: by name, some of ALL.

    Raises:
      UserError: no name contains `only`.
    """
    found = []
    for cores in core_counts((1, 2)):
        for name, workload in chosen(workloads, only).items():
            print(f"{name}, {cores or os.cpu_count()} core(s) ...", file=sys.stderr, flush=True)
            module = "experiments.speed.torch_recurrent"
            peers = {form: (module, [form, name]) for form in forms(workload)}
            ours = ("experiments.speed.recurrent_step", [name])
            found += rows(name, ours, peers, rounds, cores)
    return found
