"""Recurrent nets of the classic sizes: their training steps, ours against PyTorch's.

A step is the forward pass, the loss, back-propagation through time and the update, in float32.
The two sides draw their first weights and symbols differently, which costs neither anything.
PyTorch's own recurrent layers have two bias vectors where we have one.
"""

import dataclasses
import os
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments.speed.interleaved import chosen, core_counts, rows

RATE = 0.01
CLIP = 5.0  # of each entry of the gradient; the tanh nets alone


@dataclasses.dataclass(frozen=True)
class Workload:
    """A net that names one of `outputs` classes at every step of its sequences."""

    cell: str  # tanh, relu (with `lengths`), gru (reset after) or lstm
    hidden: int
    steps: int  # T
    batch: int
    inputs: int  # the vocabulary, or the entries of a vector if `lengths`
    outputs: int
    layers: int = 1
    embedding: int = 0  # the width that symbols are embedded in; 0: they are one-hot vectors
    lengths: bool = False  # vectors for symbols, sequences of unequal length, both directions
    dropout: float = 0.0  # of the embedded symbols and of every layer's outputs
    clip_norm: float = 0.0  # limit of the gradient's norm; 0: none

    @property
    def clipped(self) -> bool:
        """Adagrad on a gradient clipped entry by entry; gradient descent otherwise."""
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
TAGGERS = {  # of experiments.tagger, above the words' vectors
    "opinion: ReLU 3 x 25 both ways, 300 inputs, lengths to T 40, batch 80": Workload(
        "relu", 25, 40, 80, 300, 3, layers=3, lengths=True
    ),
    "chunking: LSTM 100 both ways, 110 inputs, lengths to T 40, batch 32": Workload(
        "lstm", 100, 40, 32, 110, 23, lengths=True
    ),
}
ALL = WORKLOADS | WORD_MODELS | TAGGERS


def example_batch(workload: Workload) -> dict[str, np.ndarray]:
    """Noise: xs [T, B] or [T, B, D], targets [T, B], and lengths [B] where they differ."""
    w, random = workload, np.random.default_rng(0)
    batch = {"targets": random.integers(0, w.outputs, (w.steps, w.batch)).astype(np.int32)}
    if w.lengths:
        batch["xs"] = random.normal(size=(w.steps, w.batch, w.inputs)).astype(np.float32)
        batch["lengths"] = random.integers(w.steps // 4, w.steps + 1, w.batch).astype(np.int32)
    else:
        batch["xs"] = random.integers(0, w.inputs, (w.steps, w.batch)).astype(np.int32)
    return batch


def forms(workload: Workload) -> tuple[str, ...]:
    """PyTorch's: its own layer, a loop over time, and both compiled.

    Compiling a loop takes 10 s for 100 steps of a tanh layer. For gates it takes more than two
    minutes and is left out.
    """
    loop_too = workload.cell == "tanh" and not workload.lengths
    return ("eager", "loop", "compiled", *(["compiled loop"] if loop_too else []))


def benchmark(
    rounds: int, only: str = "", workloads: Mapping[str, Workload] = WORKLOADS
) -> list[dict[str, Any]]:
    """Rows for one pinned core, the record, and for two.

    Args:
      rounds: of each form.
      only: part of the names of the workloads to time; all if empty.
      workloads: by name, some of ALL.

    Raises:
      UserError: `only` is part of no name.
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
