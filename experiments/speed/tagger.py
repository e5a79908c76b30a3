"""The tagger, ours against PyTorch's, and the cost per word of sentences of various lengths.

The second part times a step of every bucket of a corpus: 8,936 sentences as long as those of
newspapers (CoNLL-2000's have the same mean length, 24 words, and nearly the same spread), in
batches of 80 with the opinion net. The sentences of a batch are padded to their bucket's length.
"""

import dataclasses
import json
import os
import sys
from typing import Any

import numpy as np

from data.buckets import Buckets, bucket_shapes
from experiments.speed import recurrent
from experiments.speed.interleaved import Worker, chosen, core_counts
from experiments.speed.recurrent import TAGGERS

NAME, NET = "buckets", next(iter(TAGGERS))
SENTENCES = 8936
COLUMNS = ("workload", "cores", "ours_ms", "peer", "peer_ms", "ratio", "us_per_word")


def example_lengths() -> np.ndarray:
    """Random sentence lengths, int [N]."""
    drawn = np.random.default_rng(0).gamma(4.5, 5.3, SENTENCES)
    return np.clip(drawn.round(), 1, 80).astype(int)


def batches(lengths: np.ndarray) -> list[dict[str, Any]]:
    """Each bucket's padded length, a batch's lengths, steps per epoch and mean words per step."""
    shapes = bucket_shapes(lengths)
    buckets = Buckets(lengths, shapes, TAGGERS[NET].batch, seed=0)
    drawn = [buckets.rows(step, 1) for step in range(int(buckets.steps_in_a_pass))]
    found = []
    for number, (length,) in enumerate(shapes):
        steps = [lengths[rows[0]] for bucket, rows in drawn if bucket == number]
        found += [{
            "steps": int(length), "lengths": steps[0].tolist(), "count": len(steps),
            "words": float(np.mean([step.sum() for step in steps])),
        }] if steps else []  # fmt: skip
    return found


def benchmark(rounds: int, only: str = "") -> list[dict[str, Any]]:
    """Rows for one pinned core and for two against PyTorch; then the buckets, on one core."""
    names = chosen({name: name for name in (*TAGGERS, NAME)}, only)
    workloads = {name: TAGGERS[name] for name in names if name in TAGGERS}
    found = recurrent.benchmark(rounds, "", workloads) if workloads else []
    return found + (bucket_rows(rounds) if NAME in names else [])


def bucket_rows(rounds: int) -> list[dict[str, Any]]:
    """A row for each bucket, and one for the whole epoch.

    `share` is a bucket's cost per word divided by the epoch's; in the last row it is the epoch's
    cost divided by that of the same steps without padding.
    """
    cores, cuts = core_counts((1,))[0], batches(example_lengths())
    print(f"{len(cuts)} buckets, {cores or os.cpu_count()} core(s) ...", file=sys.stderr)
    module = "experiments.speed.tagger"
    workers = [Worker(module, [json.dumps(cut)], heap=True, cores=cores) for cut in cuts]
    for _ in range(rounds):
        for worker in workers:
            worker.round()
    for worker in workers:
        worker.close()
    times = [worker.median for worker in workers]
    return cost_rows(cuts, times, cores or os.cpu_count(), rounds)


def cost_rows(cuts, times, cores: int, rounds: int) -> list[dict[str, Any]]:
    """The rows of `bucket_rows`, from each bucket's milliseconds per step."""
    counts, words = (np.array([cut[name] for cut in cuts]) for name in ("count", "words"))
    places = np.array([cut["steps"] * len(cut["lengths"]) for cut in cuts])  # padding too
    times = np.array(times)
    mean = (counts * times).sum() / (counts * words).sum()
    bare = (counts * times * words / places).sum() / (counts * words).sum()

    def row(name, ms, cost, share, padding):
        blank = {"peer": None, "peer_ms": None, "ratio": None, "cores": cores, "rounds": rounds}
        return blank | {
            "workload": name, "ours_ms": round(float(ms), 4),
            "us_per_word": round(1000 * float(cost), 4), "share": round(float(share), 3),
            "padding_percent": round(100 * float(padding), 1),
        }  # fmt: skip

    rows = [
        row(f"up to {cut['steps']} words, {n} steps per epoch: {t / w / mean:.2f} of the mean cost "
            "per word", t, t / w, t / w / mean, p / w - 1)
        for cut, n, t, w, p in zip(cuts, counts, times, words, places, strict=True)
    ]  # fmt: skip
    padding = (counts * places).sum() / (counts * words).sum() - 1
    name = f"an epoch, all lengths: {mean / bare:.2f} of its cost without padding"
    return [*rows, row(name, (counts * times).sum(), mean, mean / bare, padding)]


def worker(cut: dict[str, Any]) -> None:
    """Times the step on one bucket's batch."""
    import jax

    from experiments.speed.our_steps import serve_training
    from experiments.speed.recurrent_step import init, make_loss, make_optimizer

    workload = dataclasses.replace(TAGGERS[NET], steps=cut["steps"], batch=len(cut["lengths"]))
    batch = recurrent.example_batch(workload) | {"lengths": np.int32(cut["lengths"])}
    params = init(workload, jax.random.key(0))
    serve_training(make_loss(workload), make_optimizer(workload), params, batch, 4)


if __name__ == "__main__":
    worker(json.loads(sys.argv[1]))
