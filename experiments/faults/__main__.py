"""Injects faults into real runs at random moments, and shows whether they survive.

    ./launch.sh faults [--count=120] [--seed=0] [--only=char_rnn] [--out=FILE]

It takes half an hour on two cores. Filling a disk needs permission to mount one, and making a
folder read-only needs chattr; without these the table shows 0 times.

One run of each experiment is undisturbed. The others suffer one fault after another, and the same
command resumes them each time until they finish. A fault is survived if the process reacts as it
should (`faults.py`), the next process resumes from the newest undamaged checkpoint, and the run
ends with the same bytes and figures as the undisturbed one. A damaged
checkpoint may cost the steps since the previous one; no other fault may cost more than the steps
since the newest.
"""

import dataclasses
import pathlib
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from typing import Any

import rich.table

from data.errors import UserError
from experiments.faults.faults import FAULTS, Fault, small_disk
from experiments.faults.run_process import RunProcess, checkpoints, end_state
from experiments.launch import main_of
from experiments.runtime.command_line import options_of
from experiments.runtime.options import option
from experiments.runtime.terminal import console
from experiments.runtime.workdir import write_json

EXPERIMENTS = {
    "lenet5": ("--num_steps=600", "--checkpoint_every=10", "--eval_every=150",
               "--steps_per_call=5"),
    "char_rnn": ("--num_steps=600", "--checkpoint_every=10", "--eval_every=300",
                 "--steps_per_call=5", "--hidden=32", "--batch_size=16", "--unroll=32"),
    "tagger": ("--num_steps=600", "--checkpoint_every=10", "--eval_every=300",
               "--steps_per_call=5"),
}  # fmt: skip
DISK_KIB = 30_000  # room for three checkpoints, the figures and the report
COLUMNS = ("experiment", "fault", "times", "survived")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """The command's flags."""

    count: int = option(120, "total number of faults", least=1, most=100_000)
    seed: int = option(0, "seed of the random moments", least=0, most=2**31 - 1)
    only: str = option("", f"one of {', '.join(EXPERIMENTS)}; empty: all",
                       choices=("", *EXPERIMENTS))  # fmt: skip
    out: str = option("", "JSON file to write the table to", path=True)


@dataclasses.dataclass
class Injected:
    """An injected fault; `wrong` says why the run did not survive it, and is empty if it did."""

    fault: str
    wrong: str = ""


def run_with_faults(
    words: Sequence[str], run: pathlib.Path, names: list[str], generator: random.Random
) -> list[Injected]:
    """Runs the command, restarting it after each fatal fault, until it finishes.

    Args:
      words: the experiment and its flags.
      run: its folder.
      names: of the faults, taken from the end; those left when the run finishes stay in the list.
      generator: chooses the random moments.
    """
    injected, may_resume_at = [], {None}
    while True:
        process, last = RunProcess(words, run), Injected("")
        while names and process.running():
            last = Injected(names.pop())
            injected.append(last)
            last.wrong = FAULTS[last.fault].inject(process, generator)
            if FAULTS[last.fault].fatal:
                break
        status = process.wait()
        if process.resumed_at() not in may_resume_at | {None}:
            injected[-1].wrong += f" resumed at {process.resumed_at()}, not at {may_resume_at}"
        if status == 0:
            return injected
        if not last.fault or not FAULTS[last.fault].fatal:
            raise RuntimeError(f"{words[0]} failed without a fault, status {status}: {process.err}")
        may_resume_at = resumption_steps(run, FAULTS[last.fault])


def resumption_steps(run: pathlib.Path, fault: Fault) -> set[int | None]:
    """The steps at which the next process may resume; None stands for not resuming."""
    kept = checkpoints(run)[-2:] if fault.damages else checkpoints(run)[-1:]
    return set(kept) or {None}


def run_undisturbed(words: Sequence[str], run: pathlib.Path) -> dict:
    """Runs the command without faults; returns the run's end state."""
    process = RunProcess(words, run)
    if process.wait():
        raise RuntimeError(f"{words[0]} failed without a fault: {process.err}")
    return end_state(run)


def inject_into(
    experiment: str, count: int, folder: pathlib.Path, generator: random.Random
) -> list[Injected]:
    """Injects `count` faults into runs of one experiment."""
    words = (experiment, *EXPERIMENTS[experiment])
    expected = run_undisturbed(words, folder / "undisturbed")
    injected, names, runs = [], [], 0
    while len(injected) < count:
        disk = folder / f"disk{runs}"
        with small_disk(disk, DISK_KIB):
            run, runs = disk / "run", runs + 1
            possible = [name for name, fault in FAULTS.items() if fault.possible(run)]
            if not names:
                repeated = possible * -(-count // len(possible))
                names = generator.sample(repeated[:count], count)
            latest = run_with_faults(words, run, names, generator)
            if end_state(run) != expected:
                for fault in latest:
                    fault.wrong += " the run ended differently from the undisturbed one"
            injected += latest
            print(f"{experiment}: run {runs} ended, {len(injected)} of {count} faults", flush=True)
    return injected


def table(experiment: str, injected: Sequence[Injected]) -> list[dict[str, Any]]:
    """A row for each kind of fault."""
    times = Counter(fault.fault for fault in injected)
    survived = Counter(fault.fault for fault in injected if not fault.wrong)
    return [
        dict(zip(COLUMNS, (experiment, fault, times[fault], survived[fault]), strict=True))
        for fault in FAULTS
    ]


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """Prints the table, with a row of totals."""
    shown = rich.table.Table(*COLUMNS)
    for row in rows:
        shown.add_row(*(str(row[column]) for column in COLUMNS))
    shown.add_section()
    shown.add_row("all", "", *(str(sum(row[column] for row in rows)) for column in COLUMNS[2:]))
    console().print(shown)


def run(words: Sequence[str]) -> int:
    """Injects the faults; returns the exit status, 1 if a run did not survive one."""
    options = options_of(Options(), ["faults", *words])
    if options.out and not pathlib.Path(options.out).absolute().parent.is_dir():
        raise UserError(f"--out={options.out}: its folder does not exist; create it first.")
    chosen, rows, wrong = [options.only] if options.only else list(EXPERIMENTS), [], []
    with tempfile.TemporaryDirectory(prefix="unfold-faults-") as folder:
        for i, experiment in enumerate(chosen):
            count = options.count // len(chosen) + (i < options.count % len(chosen))
            if count:
                generator = random.Random(f"{options.seed} {experiment}")
                runs = pathlib.Path(folder) / experiment
                injected = inject_into(experiment, count, runs, generator)
                rows += table(experiment, injected)
                wrong += [f"{experiment}, {i.fault}: {i.wrong}" for i in injected if i.wrong]
    print_table(rows)
    print("\n".join(wrong), end="\n" if wrong else "", file=sys.stderr)
    if options.out:
        write_json(pathlib.Path(options.out), rows)
    return 1 if wrong else 0


main = main_of(run, Options())

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
