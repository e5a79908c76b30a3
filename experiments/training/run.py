"""A run from first step to last: resumed where it was left, evaluated, saved, interrupted."""

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import jax

from experiments.runtime import options
from experiments.runtime.failures import Diverged, Interrupted
from experiments.runtime.interruption import signals_deferred
from experiments.runtime.mesh import on_host
from experiments.runtime.processes import make_agreement
from experiments.runtime.workdir import Workdir
from experiments.training.checkpoints import Checkpoints
from experiments.training.loop import Programs, Step, Totals, TrainState, Tree, fit
from experiments.training.metrics import Metrics, Progress
from experiments.training.norm import norm

# Scaled tanh units hide a divergence from the loss; the norm of the weights shows it.
LARGEST_GROWTH = 1000.0


class Trained(NamedTuple):
    """What a training run leaves behind."""

    state: TrainState
    metrics: Metrics
    seconds: float  # in the loop, evaluations included, over all restarts
    programs: int = 1  # made of the training step, one for each shape of batch


def train(
    config: options.Shared,
    workdir: Workdir,
    state: TrainState,
    step: Step,
    batches: Callable[[int, int], Tree],
    evaluate: Callable[[TrainState], dict[str, dict[str, float]]],
    figures: Callable[[dict[str, float]], dict[str, float]],
    facts: Mapping[str, str] = MappingProxyType({}),
    alike: Callable[[int, int], int] = lambda first, count: count,
    judge: Callable[[TrainState, dict[str, dict[str, float]]], TrainState] = lambda state, _: state,
) -> Trained:
    """Trains to `config.num_steps`, from the newest checkpoint in `workdir` if there is one.

    Args:
      config: the run's options.
      workdir: the run's folder.
      state: the state before the first step.
      step: from `train.make_step`.
      batches: see `train.fit`.
      evaluate: figures by split, of a state.
      figures: turns the means of the training metrics into the figures that are written.
      facts: what else than the options decides a run's figures, such as the words of a text; a
        checkpoint of other facts does not fit.
      alike: see `train.fit`.
      judge: what an evaluation's figures change in the state, before it is saved: what they decide
        has to be in the checkpoint.

    Raises:
      Interrupted: SIGTERM or Ctrl-C came; a checkpoint is saved.
      Diverged: with the last good checkpoint's number.
      UserError: the folder holds the checkpoints of another configuration.
    """
    # The norm of the first parameters also after a resumption: they are made anew from the seed.
    limit = LARGEST_GROWTH * float(jax.jit(norm)(state.params))
    checkpoints, identity = Checkpoints(workdir.checkpoints), options.identity(config) | facts
    totals, earlier, programs = Totals(), 0.0, Programs()
    asked, agreed = 0, make_agreement()
    restored = checkpoints.restore(state, identity)
    if restored is not None:
        state, note = restored
        totals, earlier = Totals(note["totals"]), note["seconds"]
    workdir.write_config(config)
    first = int(state.step)
    metrics = Metrics(workdir.metrics, first)
    begin = time.monotonic()
    progress = Progress(first, config.num_steps)
    if first:
        print(f"resuming at step {first} of {config.num_steps} in {workdir.path}", flush=True)

    def seconds() -> float:
        return earlier + time.monotonic() - begin

    def save(state: TrainState) -> None:
        note = {"identity": identity, "totals": totals, "seconds": seconds()}
        checkpoints.save(state, note)

    def on_pause(state: TrainState, now: int) -> TrainState:
        nonlocal asked
        if now % config.eval_every == 0 or now == config.num_steps:
            splits = {"train": figures(totals.means())} | evaluate(state)
            totals.clear()
            for split, row in splits.items():
                metrics.write(now, split, row)
            progress.say(now, {f"{s} {n}": v for s, row in splits.items() for n, v in row.items()})
            state = judge(state, splits)
        asked = agreed(pending.signal) or asked
        if now % config.checkpoint_every == 0 or now == config.num_steps or asked:
            save(state)
        if asked and now < config.num_steps:
            message = f"Interrupted at step {now} and saved; the same command goes on from there."
            raise Interrupted(message, asked)
        return state

    def on_call(now: int) -> bool:
        nonlocal asked
        progress.to(now)
        asked = agreed(pending.signal)
        return asked != 0

    def next_pause(now: int) -> int:
        return min((now // n + 1) * n for n in (config.eval_every, config.checkpoint_every))

    try:
        with signals_deferred() as pending:
            if restored is None:
                save(state)  # so that a run which diverges at once has a checkpoint to name
            state = fit(
                state, step, batches,
                num_steps=config.num_steps, steps_per_call=config.steps_per_call,
                next_pause=next_pause, totals=totals, limit=limit,
                on_call=on_call, on_pause=on_pause, alike=alike, programs=programs,
            )  # fmt: skip
    except Diverged as error:
        raise Diverged(
            f"{error}; the last good checkpoint is of step {checkpoints.newest()} in "
            f"{workdir.checkpoints}: lower --learning_rate."
        ) from None
    finally:
        progress.close()
        metrics.close()
    return Trained(on_host(state), metrics, seconds(), programs.count)
