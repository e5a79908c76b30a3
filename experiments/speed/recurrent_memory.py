"""Memory and time of a training step, by the length of the sequence.

An LSTM between an embedding and a softmax, unrolled as a whole or in chunks
(`nets.unroll.checkpointed`, which keeps the logits). Memory is what XLA allocates besides
parameters and batch; time is measured on one pinned core.
"""

import dataclasses
import os
import sys
from typing import Any

import jax

from experiments.reports import drawing
from experiments.speed.interleaved import Worker, chosen, core_counts, serve
from experiments.speed.recurrent import Workload, example_batch
from experiments.speed.recurrent_step import init, make_chunked_loss, make_loss, make_optimizer
from experiments.training.loop import init_state, make_step

LSTM = Workload("lstm", 256, steps=0, batch=32, inputs=84, outputs=84, embedding=256)
LENGTHS = (100, 300, 1000, 2048, 4000, 10_000)
CHUNK = 32
FORMS = {"whole": None, f"chunks of {CHUNK}": CHUNK}
MIB = 2**20


def one_step(form: str, steps: int):
    """(compiled step, its state, its batch)."""
    workload, chunk = dataclasses.replace(LSTM, steps=steps), FORMS[form]
    loss = make_chunked_loss(workload, chunk) if chunk else make_loss(workload)
    optimizer, key = make_optimizer(workload), jax.random.key(0)
    state, batch = init_state(init(workload, key), optimizer), example_batch(workload)
    step = jax.jit(make_step(loss, optimizer, key), donate_argnums=0)
    return step.lower(state, batch).compile(), state, jax.device_put(batch)


def bytes_of(form: str, steps: int) -> int:
    """The memory in bytes that the compiled step needs besides its arguments and results."""
    return one_step(form, steps)[0].memory_analysis().temp_size_in_bytes


def fits(needed: int) -> bool:
    """Whether it fits in half of the free memory, since several forms are in memory at once."""
    return needed < os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2


def benchmark(rounds: int, only: str = "") -> list[dict[str, Any]]:
    """A row for each form of each length whose name contains `only`, such as "T 2048"."""
    found = []
    for name, steps in chosen({f"T {steps}": steps for steps in LENGTHS}, only).items():
        print(f"{name} ...", file=sys.stderr, flush=True)
        found += rows_of(steps, rounds)
    return found


def rows_of(steps: int, rounds: int) -> list[dict[str, Any]]:
    """The forms of one length, timed in turn; `ms` is None for a form that does not fit."""
    cores = core_counts((1,))[0]
    needed = {form: bytes_of(form, steps) for form in FORMS}
    module = "experiments.speed.recurrent_memory"
    workers = {
        form: Worker(module, [form, str(steps)], heap=True, cores=cores)
        for form in FORMS
        if fits(needed[form])
    }
    for _ in range(rounds):
        for worker in workers.values():
            worker.round()
    for worker in workers.values():
        worker.close()
    return [
        {
            "workload": f"LSTM 256, batch 32, T {steps}, {form}",
            "steps": steps,
            "form": form,
            "memory_mib": round(needed[form] / MIB, 1),
            "ms": round(workers[form].median, 2) if form in workers else None,
            "note": "" if form in workers else "not timed: needs more memory than is free",
            "cores": cores or os.cpu_count(),
            "rounds": rounds,
        }
        for form in FORMS
    ]


COLUMNS = ("steps", "form", "memory_mib", "ms", "note")


def picture(rows: list[dict[str, Any]]) -> str:
    """An SVG file's text: a plot of memory above one of time, both over T."""

    def draw(memory, time):
        for form in FORMS:
            for axes, figure in ((memory, "memory_mib"), (time, "ms")):
                points = [(row["steps"], row[figure]) for row in rows if row["form"] == form]
                points = [(x, y) for x, y in points if y is not None]
                axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=form)
        for axes, label in ((memory, "memory per step, MiB"), (time, "time per step, ms")):
            axes.set(xscale="log", yscale="log", ylabel=label)
        memory.legend()
        time.set_xlabel("sequence length, T")

    inline = str(drawing.plot("memory and time per step", draw, width=5, height=5, ratios=(1, 1)))
    return inline[inline.index("<svg") : inline.index("</svg>")] + "</svg>\n"


def worker(form: str, steps: int) -> None:
    """Times one form."""
    step, state, batch = one_step(form, steps)

    def one():
        nonlocal state
        state, metrics = step(state, batch)
        return metrics

    serve(one, jax.block_until_ready)


if __name__ == "__main__":
    worker(sys.argv[1], int(sys.argv[2]))
