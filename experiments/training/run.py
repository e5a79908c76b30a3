"""A run from first step to last: resumed where it was left, evaluated, saved, interrupted."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import jax

from experiments.runtime import options
from experiments.runtime.failures import Diverged, Interrupted
from experiments.runtime.interruption import signals_deferred
from experiments.runtime.mesh import on_host
from experiments.runtime.processes import is_first, make_agreement
from experiments.runtime.workdir import Workdir
from experiments.training.checkpoints import Checkpoints
from experiments.training.loop import (
    Programs,
    Step,
    Totals,
    TrainState,
    Tree,
    fit,
    parameter_count,
)
from experiments.training.metrics import Metrics
from experiments.training.norm import norm
from experiments.training.progress import Progress

# Scaled tanh units hide a divergence from the loss; the norm of the weights shows it.
LARGEST_GROWTH = 1000.0


class Trained(NamedTuple):
    """What a training run leaves behind."""

    state: TrainState
    metrics: Metrics
    seconds: float  # in the loop, evaluations included, over all restarts
    programs: int = 1  # made of the training step, one for each shape of batch


Figures = dict[str, float]
AfterEvaluation = Callable[[TrainState, dict[str, Figures]], TrainState]


def train(
    config: options.Shared,
    workdir: Workdir,
    state: TrainState,
    step: Step,
    batches: Callable[[int, int], Tree],
    evaluate: Callable[[TrainState], dict[str, Figures]],
    figures: Callable[[Figures], Figures],
    *,
    data: str,
    facts: Mapping[str, str] = MappingProxyType({}),
    same_shape: Callable[[int, int], int] = lambda first, count: count,
    after_evaluation: AfterEvaluation = lambda state, splits: state,
) -> Trained:
    """Trains to `config.num_steps`, from the newest checkpoint in `workdir` if there is one.

    Args:
      config: the run's options.
      workdir: the run's folder.
      state: the state before the first step.
      step: from `loop.make_step`.
      batches: see `loop.fit`.
      evaluate: figures by split, of a state.
      figures: turns the means of the training metrics into the figures that are written.
      data: the data and their size, for the line that every run begins with.
      facts: what else than the options decides a run's figures, such as the words of a text; a
        checkpoint of other facts does not fit.
      same_shape: see `loop.fit`.
      after_evaluation: what an evaluation's figures change in the state, before it is saved: what
        they decide has to be in the checkpoint.

    Raises:
      Interrupted: SIGTERM or Ctrl-C came; a checkpoint is saved.
      Diverged: with the last good checkpoint's number.
      UserError: the folder holds the checkpoints of another configuration.
    """
    # The norm of the first parameters also after a resumption: they are made anew from the seed.
    limit = LARGEST_GROWTH * float(jax.jit(norm)(state.params))
    run = _Run(config, workdir, evaluate, figures, facts, after_evaluation)
    if is_first():
        print(first_line(state, data, workdir), flush=True)
    state, programs = run.begin(state), Programs()
    try:
        with signals_deferred() as run.pending:
            if not run.resumed:
                run.save(state)  # so that a run which diverges at once has a checkpoint to name
            state = fit(
                state, step, batches,
                num_steps=config.num_steps, steps_per_call=config.steps_per_call,
                next_pause=run.next_pause, totals=run.totals, limit=limit,
                on_call=run.on_call, on_pause=run.on_pause, same_shape=same_shape,
                programs=programs,
            )  # fmt: skip
    except Diverged as error:
        raise Diverged(
            f"{error}; the last good checkpoint is of step {run.checkpoints.newest()} in "
            f"{workdir.checkpoints}: lower --learning_rate."
        ) from None
    finally:
        run.close()
    return Trained(on_host(state), run.metrics, run.seconds(), programs.count)


def first_line(state: TrainState, data: str, workdir: Workdir) -> str:
    """What a run begins with: devices, parameters, data and their size, the run's folder."""
    kinds = Counter(device.device_kind for device in state.step.sharding.device_set)
    devices = ", ".join(f"{count} x {kind}" for kind, count in kinds.items())
    return f"{devices}; {parameter_count(state.params):,} parameters; {data}; {workdir.path}"


class _Run:
    """What is open while a run is under way, and what happens between its calls to the device."""

    def __init__(self, config, workdir: Workdir, evaluate, figures, facts, after_evaluation):
        self._config, self._workdir = config, workdir
        self._evaluate, self._figures = evaluate, figures
        self._after_evaluation = after_evaluation
        self._identity = options.identity(config) | facts
        self._asked, self._agreed = 0, make_agreement()  # to stop, by which signal
        self.checkpoints = Checkpoints(workdir.checkpoints)
        self.pending = None  # the signals that came, once they are deferred

    def begin(self, state: TrainState) -> TrainState:
        """The state to begin with: that of the newest checkpoint, if there is one."""
        restored = self.checkpoints.restore(state, self._identity)
        self.resumed = restored is not None
        state, note = restored or (state, {"totals": {}, "seconds": 0.0})
        self.totals, self._earlier = Totals(note["totals"]), note["seconds"]
        self._workdir.write_config(self._config)
        first, last = int(state.step), self._config.num_steps
        self.metrics = Metrics(self._workdir.metrics, first)
        self._begin = time.monotonic()
        self._progress = Progress(
            first, last, unit="examples", per_step=self._config.batch_size
        )
        if first:
            print(f"resuming at step {first} of {last} in {self._workdir.path}", flush=True)
        return state

    def seconds(self) -> float:
        """Spent in the loop, evaluations included, over all restarts."""
        return self._earlier + time.monotonic() - self._begin

    def save(self, state: TrainState) -> None:
        """Writes a checkpoint."""
        note = {"identity": self._identity, "totals": self.totals, "seconds": self.seconds()}
        self.checkpoints.save(state, note)

    def next_pause(self, now: int) -> int:
        """The next step after which there is an evaluation or a checkpoint."""
        intervals = (self._config.eval_every, self._config.checkpoint_every)
        return min((now // n + 1) * n for n in intervals)

    def on_call(self, now: int) -> bool:
        """After each call to the device: whether the run has been asked to stop."""
        self._progress.to(now)
        self._asked = self._agreed(self.pending.signal)
        return self._asked != 0

    def on_pause(self, state: TrainState, now: int) -> TrainState:
        """Evaluates and saves where it is time to, and stops where that was asked for."""
        with self._progress.paused():
            return self._paused(state, now)

    def _paused(self, state: TrainState, now: int) -> TrainState:
        last = now == self._config.num_steps
        if now % self._config.eval_every == 0 or last:
            state = self._evaluated(state, now)
        self._asked = self._agreed(self.pending.signal) or self._asked
        if now % self._config.checkpoint_every == 0 or last or self._asked:
            self.save(state)
        if self._asked and not last:
            message = f"Interrupted at step {now} and saved; the same command goes on from there."
            raise Interrupted(message, self._asked)
        return state

    def _evaluated(self, state: TrainState, now: int) -> TrainState:
        splits = {"train": self._figures(self.totals.means())} | self._evaluate(state)
        self.totals.clear()
        for split, row in splits.items():
            self.metrics.write(now, split, row)
        named = {f"{split} {n}": value for split, row in splits.items() for n, value in row.items()}
        self._progress.show(now, named)
        return self._after_evaluation(state, splits)

    def close(self) -> None:
        """Leaves the terminal and TensorBoard's file to others."""
        self._progress.close()
        self.metrics.close()
