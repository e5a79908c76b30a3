"""Hurts real runs at random moments, and shows what came of it.

    ./launch.sh faults [--count=120] [--seed=0] [--only=char_rnn] [--out=FILE]

Half an hour on two cores. A full disk needs leave to mount one, and a folder that turns read-only
needs chattr: where these are missing the table says 0 times.

Of each experiment one run is left alone, and others are hurt again and again, begun anew by the
same command each time, until they end. A fault is survived if the process takes it as it should
(`faults.py`), the next one goes on from the newest checkpoint that the fault left whole, and the
run ends with the bytes and the figures of the one that was left alone. A damaged checkpoint may
cost the steps since the one before it; nothing else costs more than those since the newest.
"""

import dataclasses
import pathlib
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from typing import Any

import rich.console
import rich.table

from data.errors import UserError
from experiments.faults.faults import FAULTS, Fault, small_disk
from experiments.faults.life import Life, checkpoints, ending
from experiments.runtime.command_line import options_of
from experiments.runtime.options import option
from experiments.runtime.workdir import write_json

EXPERIMENTS = {
    "lenet5": ("--num_steps=600", "--checkpoint_every=10", "--eval_every=150",
               "--steps_per_call=5"),
    "char_rnn": ("--num_steps=600", "--checkpoint_every=10", "--eval_every=300",
                 "--steps_per_call=5", "--hidden=32", "--batch_size=16", "--unroll=32"),
    "tagger": ("--num_steps=600", "--checkpoint_every=10", "--eval_every=300",
               "--steps_per_call=5"),
}  # fmt: skip
DISK = 30_000  # KiB: three checkpoints, the figures and the report
COLUMNS = ("experiment", "fault", "times", "survived")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """The command's flags."""

    count: int = option(120, "faults in all", least=1, most=100_000)
    seed: int = option(0, "of the moments", least=0, most=2**31 - 1)
    only: str = option("", f"one of {', '.join(EXPERIMENTS)}; empty: all",
                       choices=("", *EXPERIMENTS))  # fmt: skip
    out: str = option("", "write the table there as JSON")


@dataclasses.dataclass
class Blow:
    """A fault as it happened; `wrong` says what the run did not survive."""

    fault: str
    wrong: str = ""


def hurt_until_done(
    words: Sequence[str], run: pathlib.Path, bag: list[str], moments: random.Random
) -> list[Blow]:
    """Runs the command again and again, a process for each deadly fault, until it has ended well.

    Args:
      words: the experiment and its flags.
      run: its folder.
      bag: names of faults, taken from its end; what is left when the run ends is for another.
      moments: chance.
    """
    blows, may_resume_at = [], {None}
    while True:
        life, blow = Life(words, run), Blow("")
        while bag and life.going():
            blow = Blow(bag.pop())
            blows.append(blow)
            blow.wrong = FAULTS[blow.fault].strike(life, moments)
            if FAULTS[blow.fault].deadly:
                break
        status = life.end()
        if life.resumed_at() not in may_resume_at | {None}:
            blows[-1].wrong += f" resumed at {life.resumed_at()} and not {may_resume_at}"
        if status == 0:
            return blows
        if not blow.fault or not FAULTS[blow.fault].deadly:
            raise RuntimeError(f"{words[0]} ended by itself with status {status}: {life.err}")
        may_resume_at = _resumption(run, FAULTS[blow.fault])


def _resumption(run: pathlib.Path, fault: Fault) -> set[int | None]:
    """The steps that the next process may begin at; None stands for saying nothing."""
    kept = checkpoints(run)[-2:] if fault.damages else checkpoints(run)[-1:]
    return set(kept) or {None}


def straight(words: Sequence[str], run: pathlib.Path) -> dict:
    """The ending of a run that is left alone."""
    life = Life(words, run)
    if life.end():
        raise RuntimeError(f"{words[0]} failed by itself: {life.err}")
    return ending(run)


def faults_of(
    experiment: str, count: int, folder: pathlib.Path, moments: random.Random
) -> list[Blow]:
    """So many faults to runs of one experiment."""
    words = (experiment, *EXPERIMENTS[experiment])
    aim, blows, chain = straight(words, folder / "straight"), [], 0
    bag = []
    while len(blows) < count:
        disk = folder / f"disk{chain}"
        with small_disk(disk, DISK):
            run, chain = disk / "run", chain + 1
            possible = [name for name, fault in FAULTS.items() if fault.needs(run)]
            if not bag:
                whole = possible * -(-count // len(possible))
                bag = moments.sample(whole[:count], count)
            now = hurt_until_done(words, run, bag, moments)
            if ending(run) != aim:
                for blow in now:
                    blow.wrong += " the run ended differently from the straight one"
            blows += now
            print(f"{experiment}: run {chain} ended, {len(blows)} of {count} faults", flush=True)
    return blows


def table(experiment: str, blows: Sequence[Blow]) -> list[dict[str, Any]]:
    """A row for each kind of fault."""
    times = Counter(blow.fault for blow in blows)
    survived = Counter(blow.fault for blow in blows if not blow.wrong)
    return [
        dict(zip(COLUMNS, (experiment, fault, times[fault], survived[fault]), strict=True))
        for fault in FAULTS
    ]


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """On standard output, with the sum."""
    shown = rich.table.Table(*COLUMNS)
    for row in rows:
        shown.add_row(*(str(row[column]) for column in COLUMNS))
    shown.add_section()
    shown.add_row("all", "", *(str(sum(row[column] for row in rows)) for column in COLUMNS[2:]))
    rich.console.Console().print(shown)


def run(options: Options) -> int:
    """Does it; returns the exit status, 1 if a fault was not survived."""
    if options.out and not pathlib.Path(options.out).absolute().parent.is_dir():
        raise UserError(f"--out={options.out}: there is no such folder; make it first.")
    chosen, rows, wrong = [options.only] if options.only else list(EXPERIMENTS), [], []
    with tempfile.TemporaryDirectory(prefix="unfold-faults-") as folder:
        for i, experiment in enumerate(chosen):
            count = options.count // len(chosen) + (i < options.count % len(chosen))
            if count:
                moments = random.Random(f"{options.seed} {experiment}")
                blows = faults_of(experiment, count, pathlib.Path(folder) / experiment, moments)
                rows += table(experiment, blows)
                wrong += [f"{experiment}, {b.fault}: {b.wrong}" for b in blows if b.wrong]
    print_table(rows)
    print("\n".join(wrong), end="\n" if wrong else "", file=sys.stderr)
    if options.out:
        write_json(pathlib.Path(options.out), rows)
    return 1 if wrong else 0


def main() -> int:
    try:
        options = options_of(Options(), sys.argv)
        return 0 if options is None else run(options)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
