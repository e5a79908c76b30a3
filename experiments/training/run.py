"""A run from first step to last: resumed where it was left, evaluated, saved, interrupted."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import jax
import numpy as np

from data.errors import UserError
from experiments.runtime import options
from experiments.runtime.failures import Diverged, Interrupted
from experiments.runtime.interruption import signals_deferred
from experiments.runtime.processes import is_first, is_single_process, make_agreement
from experiments.runtime.workdir import Workdir
from experiments.training.checkpoints import KEPT_NETS, ROWS, SPEED, Checkpoints
from experiments.training.kept import NET, Figures, KeepOptions, KeptNets, Net, Offer, latest
from experiments.training.loop import (
    Step,
    Totals,
    TrainState,
    Tree,
    Watch,
    fit,
    parameter_count,
)
from experiments.training.metrics import Metrics, read
from experiments.training.norm import norm
from experiments.training.progress import Progress

# Scaled tanh units hide a divergence from the loss; the norm of the weights shows it.
LARGEST_GROWTH = 1000.0
Evaluate = Callable[[TrainState, Watch], dict[str, Figures]]


class Trained(NamedTuple):
    """What a training run leaves behind."""

    nets: Mapping[str, Net]  # the kept copies, by name, on the host
    best: bool  # whether the validation part chose them
    figures: dict[str, float]  # of the kept nets, `valid_perplexity` and the like
    steps: int  # that were trained
    metrics: Metrics
    seconds: float  # in the loop, evaluations included, over all restarts
    speed: float | None  # of the recent steps, in units a second; None: there were none
    speed_unit: str  # such as `characters per second`

    @property
    def net(self) -> Net:
        """The kept net of a run that trains one."""
        return self.nets[NET]


def train(
    config: options.Shared,
    workdir: Workdir,
    state: TrainState,
    step: Step,
    batches: Callable[[int, int], Tree],
    evaluate: Evaluate,
    figures: Callable[[Figures], Figures],
    *,
    data: str,
    test: Callable[[Mapping[str, Net], Watch], dict[str, Figures]] = lambda nets, watch: {},
    offer: Offer = latest,
    facts: Mapping[str, str] = MappingProxyType({}),
    same_shape: Callable[[int, int], int] = lambda first, count: count,
    unit: str = "examples",
    units_in_a_step: float = 0.0,
    after_evaluation: Callable[[TrainState, dict], TrainState] = lambda state, splits: state,
) -> Trained:
    """Trains to `config.num_steps`, from the newest checkpoint in `workdir` if there is one.

    A checkpoint is of the state before the evaluation at its step, if there is one: an evaluation
    may take longer than a scheduler waits, and is made again when the run is resumed.

    Args:
      config: the run's options; the net to keep is chosen by those of `KeepOptions`.
      workdir: the run's folder.
      state: the state before the first step.
      step: from `loop.make_step`.
      batches: see `loop.fit`.
      evaluate: figures by split, of a state; called every `eval_every` steps and at the last.
        What it goes through by its second argument can be interrupted, and shows how far it is.
      figures: turns the means of the training metrics into the figures that are written.
      data: the data and their size, for the line that every run begins with.
      test: figures by split, of the kept nets; called once, at the end.
      offer: what an evaluation offers to be kept (`kept.lowest`).
      facts: what else than the options decides a run's figures, such as the words of a text; a
        checkpoint of other facts does not fit.
      same_shape: see `loop.fit`.
      unit: what the speed counts, such as characters.
      units_in_a_step: how many of them a step goes through; 0: as many as the batch has rows.
      after_evaluation: what an evaluation's figures change in the state.

    Raises:
      Interrupted: SIGTERM or Ctrl-C came; a checkpoint is saved.
      Diverged: with the last good checkpoint's number.
      UserError: the folder holds the checkpoints of another configuration.
    """
    # The norm of the first parameters also after a resumption: they are made anew from the seed.
    limit = LARGEST_GROWTH * float(jax.jit(norm)(state.params))
    run = _Run(config, workdir, evaluate, figures, offer, facts, after_evaluation)
    if is_first():
        print(first_line(state, data, workdir), flush=True)
    state = run.begin(state, unit, units_in_a_step or config.batch_size)
    try:
        with signals_deferred() as run.pending:
            state = run.evaluated_again(state) if run.resumed else state
            if not run.resumed:
                run.save(state)  # so that a run which diverges at once has a checkpoint to name
            if not run.over:
                state = fit(
                    state, step, batches,
                    num_steps=config.num_steps, steps_per_call=config.steps_per_call,
                    next_pause=run.next_pause, totals=run.totals, limit=limit,
                    on_call=run.on_call, on_pause=run.on_pause, same_shape=same_shape,
                )  # fmt: skip
            return run.ended(int(state.step), test)
    except Diverged as error:
        raise Diverged(
            f"{error}; the last good checkpoint is of step {run.checkpoints.newest()} in "
            f"{workdir.checkpoints}: lower --learning_rate."
        ) from None
    finally:
        run.close()


def first_line(state: TrainState, data: str, workdir: Workdir) -> str:
    """What a run begins with: devices, parameters, data and their size, the run's folder."""
    kinds = Counter(device.device_kind for device in state.step.sharding.device_set)
    devices = ", ".join(f"{count} x {kind}" for kind, count in kinds.items())
    return f"{devices}; {parameter_count(state.params):,} parameters; {data}; {workdir.path}"


class _Run:
    """What is open while a run is under way, and what happens between its calls to the device."""

    def __init__(self, config, workdir: Workdir, evaluate, figures, offer, facts, after_evaluation):
        self._config, self._workdir = config, workdir
        self._evaluate, self._figures, self._offer = evaluate, figures, offer
        self._after_evaluation = after_evaluation
        self._identity = options.identity(config) | facts
        self._asked, self._agreed = 0, make_agreement()  # to stop, by which signal
        self._patience = config.patience if isinstance(config, KeepOptions) else 0
        self.checkpoints = Checkpoints(workdir.checkpoints)
        best = isinstance(config, KeepOptions) and config.keep == "best"
        self._kept = KeptNets(workdir.best, best)
        self.pending = None  # the signals that came, once they are deferred
        self.over = False  # by --patience

    def begin(self, state: TrainState, unit: str, units_in_a_step: float) -> TrainState:
        """The state to begin with: that of the newest checkpoint, if there is one."""
        restored = self.checkpoints.restore(state, self._identity)
        self.resumed = restored is not None
        state, note = restored or (state, {"totals": {}, "seconds": 0.0, KEPT_NETS: {}})
        self.totals, self._earlier = Totals(note["totals"]), note["seconds"]
        first, last = int(state.step), self._config.num_steps
        self._kept.begin(note.get(KEPT_NETS), first)
        made = any(row["step"] == first for row in read(self._workdir.metrics))
        # An earlier version saved the state after the evaluation of its step.
        repeat = (self._due(first) or made) and (KEPT_NETS in note or first == last)
        self._again = first > 0 and repeat
        self._workdir.write_config(self._config)
        self.metrics = Metrics(self._workdir.metrics, first - self._again, note.get(ROWS, ()))
        self._begin = time.monotonic()
        self._unit, self._earlier_speed = unit, note.get(SPEED)
        self._progress = Progress(first, last, unit=unit, per_step=units_in_a_step)
        if first:
            print(f"resuming at step {first} of {last} in {self._workdir.path}", flush=True)
        return state

    def _due(self, step: int) -> bool:
        return step % self._config.eval_every == 0 or step == self._config.num_steps

    def evaluated_again(self, state: TrainState) -> TrainState:
        """The state of a checkpoint after the evaluation that followed it."""
        with self._progress.paused():
            return self._evaluated(state, int(state.step)) if self._again else state

    def seconds(self) -> float:
        """Spent in the loop, evaluations included, over all restarts."""
        return self._earlier + time.monotonic() - self._begin

    def _speed(self) -> float | None:
        return self._progress.speed() or self._earlier_speed

    def save(self, state: TrainState, note: Mapping | None = None) -> None:
        """Writes a checkpoint."""
        self.checkpoints.save(state, self._note() if note is None else note)
        self._kept.prune(self.checkpoints.steps())

    def _note(self) -> dict:
        return {
            "identity": self._identity, "seconds": self.seconds(), KEPT_NETS: self._kept.note(),
            "totals": {name: list(sums) for name, sums in self.totals.items()},
            SPEED: self._speed(), ROWS: self.metrics.latest(),
        }  # fmt: skip

    def next_pause(self, now: int) -> int:
        """The next step after which there is an evaluation or a checkpoint."""
        intervals = (self._config.eval_every, self._config.checkpoint_every)
        return min((now // n + 1) * n for n in intervals)

    def on_call(self, now: int) -> bool:
        """After each call to the device: whether the run has been asked to stop."""
        self._progress.to(now)
        self._asked = self._agreed(self.pending.signal)
        return self._asked != 0

    def on_pause(self, state: TrainState, now: int) -> TrainState | None:
        """Saves and evaluates where it is time to; None where training ends early."""
        with self._progress.paused():
            return self._paused(state, now)

    def _paused(self, state: TrainState, now: int) -> TrainState | None:
        last, note = now == self._config.num_steps, self._note()
        self._asked = self._agreed(self.pending.signal) or self._asked
        if now % self._config.checkpoint_every == 0 or last or self._asked:
            self.save(state, note)
        if self._asked:
            raise self._interrupted(now, self._asked)
        if not self._due(now):
            return state
        try:
            evaluated = self._evaluated(state, now)
        except Interrupted:
            self.save(state, note)
            raise
        if self.over:
            self.save(state, note)
        return None if self.over else evaluated

    def _interrupted(self, now: int, signal: int) -> Interrupted:
        message = f"Interrupted at step {now} and saved; the same command goes on from there."
        return Interrupted(message, signal)

    def _evaluated(self, state: TrainState, now: int) -> TrainState:
        splits = self._evaluate(state, self._watch(now))
        trained = {"train": self._figures(self.totals.means())} if self.totals else {}
        self.totals.clear()
        self.metrics.write(now, trained | splits)
        named = {f"{split} {n}": value for split, row in (trained | splits).items()
                 for n, value in row.items()}  # fmt: skip
        self._progress.show(now, named)
        candidates = self._offer(state, splits)
        if self._patience and not all(candidate.score for candidate in candidates.values()):
            raise UserError("--patience needs a validation part, and there is none.")
        self._kept.offer(now, candidates)
        self.over = 0 < self._patience <= self._kept.stalled()
        return self._after_evaluation(state, splits)

    def _watch(self, now: int) -> Watch:
        """Goes through an evaluation's batches, and stops between two when that is asked for.

        Of several processes none stops by itself, since the others would wait for it.
        """

        def watch(batches: Sequence[Tree], what: str) -> Iterator[Tree]:
            for done, batch in enumerate(batches):
                self._progress.evaluating(what, done, len(batches))
                if self.pending.signal and is_single_process():
                    raise self._interrupted(now, self.pending.signal)
                yield batch

        return watch

    def ended(self, steps: int, test) -> Trained:
        """What training has left behind, with the figures of the kept nets."""
        kept = self._kept.nets()
        nets = {name: net for name, (net, _) in kept.items()}
        tested = test(nets, self._watch(steps))
        for _ in range(1 if is_single_process() else 2):  # the second hears of the first
            asked = self._agreed(self.pending.signal)
        if asked:
            raise self._interrupted(steps, asked)
        figures = mean_figures([figures for _, figures in kept.values()]) | mean_figures([tested])
        return Trained(
            nets, self._kept.best_is_kept(), figures, steps, self.metrics, self.seconds(),
            self._speed(), f"{self._unit} per second",
        )  # fmt: skip

    def close(self) -> None:
        """Leaves the terminal and TensorBoard's file to others."""
        self._progress.close()
        self.metrics.close()


def mean_figures(copies: Iterable[Mapping[str, Figures]]) -> dict[str, float]:
    """Figures by split as `valid_perplexity` and the like: the mean over the copies with each."""
    values = {}
    for splits in copies:
        for split, row in splits.items():
            for name, value in row.items():
                values.setdefault(f"{split}_{name}", []).append(value)
    return {name: float(np.mean(each)) for name, each in values.items()}
