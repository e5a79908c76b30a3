"""What the largest presets require of each of eight devices, calculated, and their cost on a CPU.

Parameters, matrix products and recurrent steps are counted in the program of one training step on
one device's rows; memory is what XLA's CPU compiler allocates. The times in the table of results
are these counts divided by the vendors' peak rates: bounds and not measurements. Only the step of
the whole batch on one pinned core is measured, per token read or written.
"""

import dataclasses
import math
import os
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr

from experiments.char_rnn import PRESETS as CHAR_RNN
from experiments.language.net import make_model, make_word_model
from experiments.language.running_text import Window
from experiments.language.running_text import make_loss as text_loss
from experiments.speed.interleaved import Worker, chosen, core_counts
from experiments.speed.our_steps import serve_steps
from experiments.training.loop import TrainState, init_state, make_step
from experiments.training.optimizer import make_optimizer
from experiments.translate import PRESETS as TRANSLATE
from experiments.translation.loss import make_loss as translation_loss
from experiments.translation.net import make_model as make_translator
from experiments.translation.pairs import Batch
from experiments.word_lm import PRESETS as WORD_LM

DEVICES = 8
MB = 1e6
COLUMNS = ("preset", "parameters", "devices", "rows", "state_mb", "temporary_mb", "gflop",
           "recurrent_steps", "cores", "us_per_token")  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Scaled:
    """A preset, and the sizes of its data."""

    config: Any
    symbols: tuple[int, ...]  # size of the vocabulary, or of both
    steps: tuple[int, ...]  # length of the longest batch: T, or S and T


WORKLOADS = {
    "word_lm --preset=zaremba-large": Scaled(WORD_LM["zaremba-large"], (10_000,), (35,)),
    "char_rnn --preset=ptb-char": Scaled(CHAR_RNN["ptb-char"], (50,), (100,)),
    "char_rnn --preset=karpathy-lstm-512": Scaled(CHAR_RNN["karpathy-lstm-512"], (87,), (100,)),
} | {
    f"translate --preset={name}": Scaled(TRANSLATE[name], (8039, 5992), (46, 42))
    for name in ("paper-lstm", "paper-gru", "paper-attention")
}


def share(batch: int) -> tuple[int, int]:
    """(number of devices used, rows on each), as `mesh_for` divides a batch."""
    devices = max(n for n in range(1, DEVICES + 1) if batch % n == 0)
    return devices, batch // devices


def step_of(name: str, rows: int) -> tuple[Callable, Callable, Any]:
    """(training step on `rows` rows, function that makes its state, shapes of its batch)."""
    work = WORKLOADS[name]
    config, key, ints = work.config, jax.random.key(0), jnp.int32
    carry = None
    if name.startswith("translate"):
        model, (source, target) = make_translator(config, *work.symbols), work.steps
        shapes = ((rows, source), (rows, source), (rows, target), (rows, target - 1))
        kinds = (ints, bool, ints, bool)
        batch = Batch(*map(jax.ShapeDtypeStruct, shapes, kinds))
        loss = translation_loss(config, model, float(rows * target))
    else:
        make = make_word_model if name.startswith("word_lm") else make_model
        model, (steps,) = make(config, *work.symbols), work.steps
        batch = Window(jax.ShapeDtypeStruct((rows, steps + 1), ints),
                       jax.ShapeDtypeStruct((rows,), bool))  # fmt: skip
        loss, carry = text_loss(model), model.carry(rows)
    optimizer = make_optimizer(config, 1)

    def first() -> TrainState:
        return init_state(model.init(key), optimizer, carry=carry)

    return make_step(loss, optimizer, key, dtype=config.dtype), first, batch


def counted(program: Jaxpr) -> tuple[float, int]:
    """(floating-point operations of all matrix products, steps of all scans in sequence)."""
    flops, steps = 0.0, 0
    for equation in program.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            inner = math.prod(equation.invars[0].aval.shape[axis] for axis in contracted)
            flops += 2.0 * equation.outvars[0].aval.size * inner
        times = equation.params["length"] if equation.primitive.name == "scan" else 1
        for value in equation.params.values():
            if isinstance(value, ClosedJaxpr | Jaxpr):
                more, below = counted(getattr(value, "jaxpr", value))
                flops, steps = flops + times * more, steps + times * below
        steps += times if equation.primitive.name == "scan" else 0
    return flops, steps


def worker(name: str) -> None:
    """Times a step on the whole batch of the longest sequences."""
    serve_steps(*whole_step(name), 1)


def whole_step(name: str) -> tuple[Callable, TrainState, Any]:
    """(step, state, batch): the training step on a preset's whole batch."""
    step, first, shapes = step_of(name, WORKLOADS[name].config.batch_size)
    return step, first(), jax.tree.map(lambda leaf: np.ones(leaf.shape, leaf.dtype), shapes)


def us_per_token(name: str, rounds: int, cores: int | None) -> float:
    """Measured microseconds of a training step per symbol of its longest batch."""
    worker = Worker("experiments.speed.scale", [name], heap=True, cores=cores)
    for _ in range(rounds):
        worker.round()
    worker.close()
    work = WORKLOADS[name]
    return worker.median * 1000 / (work.config.batch_size * sum(work.steps))


def row(name: str, rounds: int) -> dict[str, Any]:
    """What a preset requires of each device, and its time on one core."""
    devices, rows = share(WORKLOADS[name].config.batch_size)
    step, first, batch = step_of(name, rows)
    state, cores = jax.eval_shape(first), core_counts((1,))[0]
    flops, steps = counted(jax.make_jaxpr(step)(state, batch).jaxpr)
    compiled = jax.jit(step, donate_argnums=0).lower(state, batch).compile()
    size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    return {
        "preset": name,
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(state.params)),
        "devices": devices,
        "rows": rows,
        "state_mb": round(size / MB, 1),
        "temporary_mb": round(compiled.memory_analysis().temp_size_in_bytes / MB, 1),
        "gflop": round(flops / 1e9, 2),
        "recurrent_steps": steps,
        "cores": cores or os.cpu_count(),
        "us_per_token": round(us_per_token(name, rounds, cores), 1),
    }


def benchmark(rounds: int, only: str = "") -> list[dict[str, Any]]:
    """A row for each preset."""
    found = []
    for name in chosen(WORKLOADS, only):
        print(f"{name} ...", file=sys.stderr, flush=True)
        found.append(row(name, rounds))
    return found


if __name__ == "__main__":
    worker(sys.argv[1])
