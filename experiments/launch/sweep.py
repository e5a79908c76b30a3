"""Runs an experiment with every combination of several flags' values, and ranks the runs.

    ./launch.sh sweep lenet5 --learning_rate=1e-3,2e-3 --seed=0,1,2 --num_steps=1000
    ./launch.sh sweep --jobs=2 --sort=test_bleu --workdir=runs/beams translate --hidden=96,192

A flag with commas is an axis of the grid; a comma within a value is written `\\,`, as in
'--hidden=300\\,100,200'. Each run has a folder of its own in --workdir (default
runs/sweep/<experiment>/<axes>), named after the flags. The same command skips finished runs and
resumes the others; with more values it adds runs. With -n it prints the commands of the runs.
"""

import dataclasses
import hashlib
import importlib
import itertools
import pathlib
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from data.errors import UserError
from experiments.launch import main_of, trials
from experiments.launch.slurm import split
from experiments.launch.sweep_table import ranked, show, write
from experiments.launch.trials import Trial
from experiments.runtime import options
from experiments.runtime.command_line import configuration, given_flags, options_of
from experiments.runtime.options import option
from experiments.training.kept import deciding_options

USAGE = "Write ./launch.sh sweep [-n] [--jobs=N] EXPERIMENT --flag=a,b,c [--other=1,2] [--third=x]."
LONGEST_NAME = 150  # of a folder


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """The sweep's own flags, which may precede or follow the experiment."""

    workdir: str = option("", "folder of all the runs; default: runs/sweep/<experiment>/<axes>",
                         path=True)  # fmt: skip
    jobs: int = option(1, "number of runs at a time", least=1, most=256)
    sort: str = option("", "figure to sort the table by; empty: the headline figure, on the "
                       "validation part if there is one and on the test otherwise")  # fmt: skip


class Grid(NamedTuple):
    """The flags with several values, and the arguments common to all runs."""

    axes: dict[str, list[str]]
    fixed: list[str]


def values_of(text: str) -> list[str]:
    """`a,b\\,c` split into `a` and `b,c`."""
    return [part.replace(r"\,", ",") for part in re.split(r"(?<!\\),", text)]


def grid_of(words: Sequence[str]) -> Grid:
    """The axes among an experiment's flags; raises UserError."""
    axes, fixed, names = {}, [], set()
    for word in words:
        name, equals, text = word.partition("=")
        if not name.startswith("--"):
            raise UserError(f"{word!r} is not a flag; write --name=value, or --name=a,b,c.")
        if name in names:
            raise UserError(f"{name} is given twice: join its values, {name}=a,b,c.")
        names.add(name)
        values = values_of(text)
        if len(set(values)) < len(values):
            raise UserError(f"{word}: a value is given twice.")
        if len(values) > 1:
            axes[name.removeprefix("--")] = values
        else:
            fixed.append(name + equals + values[0])
    if not axes:
        raise UserError(f"Give at least one flag several values, such as --seed=0,1,2. {USAGE}")
    return Grid(axes, fixed)


def trials_of(experiment: str, presets: Mapping[str, Any], grid: Grid, root: str) -> list[Trial]:
    """A run for each combination; raises UserError for the first invalid one."""
    fixed = given_flags(presets["quick"], [experiment, *grid.fixed])
    folder = pathlib.Path(root or f"runs/sweep/{experiment}/{'-'.join(sorted(grid.axes))}")
    found = []
    for values in itertools.product(*grid.axes.values()):
        words = [f"--{name}={value}" for name, value in zip(grid.axes, values, strict=True)]
        config = configuration(presets, [experiment, *grid.fixed, *words])
        identity = options.identity(config)
        named = {*grid.axes, *(name for name in fixed if name in identity)}
        found.append(
            Trial(
                words=[experiment, *grid.fixed, *words],
                flags={name: getattr(config, name) for name in grid.axes},
                identity=identity,
                folder=folder / folder_name({n: getattr(config, n) for n in sorted(named)}),
                deciding=deciding_options(config),
            )
        )
    folders = [trial.folder for trial in found]
    if len(set(folders)) < len(folders):
        raise UserError("Two values of a flag are equal: leave one of them out.")
    return found


def folder_name(flags: Mapping[str, Any]) -> str:
    """A folder name that is unique to these values of the flags."""
    text = ",".join(f"{name}={value}" for name, value in flags.items())
    name = re.sub(r"[^\w.,=+-]", "_", text)
    if name == text and len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME - 9]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def own_flags(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The sweep's own flags among an experiment's, and the others."""
    ours = tuple(f"--{field.name}=" for field in dataclasses.fields(Options))
    return [w for w in words if w.startswith(ours)], [w for w in words if not w.startswith(ours)]


def run(words: Sequence[str]) -> int:
    """Runs what is not finished and prints the table; returns the exit status."""
    dry, before, (experiment, *flags) = split(words, USAGE)
    after, flags = own_flags(flags)
    chosen = options_of(Options(), ["sweep", *before, *after])
    presets = importlib.import_module(f"experiments.{experiment}").PRESETS
    grid = grid_of(flags)
    planned = trials_of(experiment, presets, grid, chosen.workdir)
    if dry:
        for trial in planned:
            print(shlex.join(["./launch.sh", *trial.words, f"--workdir={trial.folder}"]))
        return 0
    outcomes, signal = trials.run_all(planned, chosen.jobs)
    table = ranked(planned, outcomes, chosen.sort)
    path = planned[0].folder.parent / "sweep.json"
    write(path, experiment, grid.fixed, table)
    show(experiment, table)
    print(f"table: {path}")
    return exit_status(outcomes, signal, chosen.sort, table.figure)


def exit_status(outcomes, signal: int, wanted: str, figure: str) -> int:
    """The exit status; says how to continue an interrupted sweep."""
    done = sum(outcome.status == trials.DONE for outcome in outcomes)
    if signal:
        print(f"Interrupted with {done} of {len(outcomes)} runs done; run the same command to "
              "continue.", file=sys.stderr)  # fmt: skip
        return 128 + signal
    if wanted and figure != wanted and done:
        raise UserError(f"--sort={wanted}: no run has this figure; sweep.json lists their names.")
    return 0 if done == len(outcomes) else 1


main = main_of(run, Options())

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
