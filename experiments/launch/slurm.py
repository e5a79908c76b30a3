"""Submits an experiment to SLURM: one task per GPU, requeued when preempted or out of time.

    ./launch.sh slurm [-n] [--nodes=2] [--gpus=8] [--hours=24] EXPERIMENT [--flags]
    ./launch.sh slurm --account=vision --memory=64G --constraint=a100 --exclusive lenet5

With -n the batch script is printed and nothing is submitted. SLURM sends SIGTERM two minutes before
the time limit; the run saves a checkpoint, and resumes after it is requeued.

Every other option before the experiment is passed on to sbatch, such as --constraint=a100 above. It
is written --name or --name=value, and replaces this command's own value of the same option.
"""

import dataclasses
import pathlib
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence

from data.errors import UserError
from experiments.__main__ import experiments
from experiments.launch import main_of
from experiments.runtime.command_line import options_of
from experiments.runtime.options import option

ROOT = pathlib.Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """The resources to request."""

    nodes: int = option(1, "number of nodes", least=1)
    gpus: int = option(1, "GPUs per node; each gets one task", least=1)
    cpus: int = option(8, "CPU cores per task", least=1)
    hours: int = option(24, "time limit; a job that reaches it is requeued and resumes", least=1)
    minutes: int = option(0, "time limit in minutes, in place of --hours; 0: --hours", least=0)
    memory: str = option("", "memory per node, such as 64G; empty: the cluster's default")
    account: str = option("", "account to charge; empty: your default")
    partition: str = option("", "partition of the cluster; empty: its default")
    qos: str = option("", "quality of service; empty: the cluster's default")


def split(words: Sequence[str], usage: str) -> tuple[bool, list[str], list[str]]:
    """(whether -n is given, the command's own flags, the experiment and its flags).

    Raises:
      UserError: with `usage` if no experiment is named, or for one that does not exist.
    """
    words = list(words)
    dry = words[:1] == ["-n"]
    words = words[dry:]
    ours = 0
    while ours < len(words) and words[ours].startswith("-"):
        ours += 1
    if ours == len(words):
        raise UserError(usage)
    known = experiments(ROOT / "experiments")
    if words[ours] not in known:
        raise UserError(
            f"There is no experiment {words[ours]!r}; choose one of {', '.join(known)}."
        )
    return dry, words[:ours], words[ours:]


def parsed(words: Sequence[str]) -> tuple[Job, list[str]]:
    """The job, and the options that are for sbatch; raises UserError for an invalid value."""
    names = {field.name for field in dataclasses.fields(Job)}
    own = [word for word in words if word.lstrip("-").partition("=")[0] in names]
    others = [word for word in words if word not in own]
    for word in others:
        if not re.fullmatch(r"--[a-z][a-z-]*(=.*)?", word):
            raise UserError(f"{word}: write an option for sbatch as --name or --name=value.")
    return options_of(Job(), ["slurm", *own]), others


def directives(job: Job, experiment: str, others: Sequence[str]) -> list[str]:
    """The options of sbatch: the job's, unless `others` have the same ones, and the others."""
    optional = {"mem": job.memory, "account": job.account, "partition": job.partition,
                "qos": job.qos}  # fmt: skip
    options = [
        f"--job-name=unfold-{experiment}",
        f"--nodes={job.nodes}",
        f"--ntasks-per-node={job.gpus}",
        f"--gpus-per-node={job.gpus}",
        f"--cpus-per-task={job.cpus}",
        f"--time={job.minutes}" if job.minutes else f"--time={job.hours}:00:00",
        "--signal=TERM@120",
        "--requeue",
        "--open-mode=append",
        "--output=unfold-%j.log",
        *(f"--{name}={value}" for name, value in optional.items() if value),
    ]
    replaced = {word.partition("=")[0] for word in others}
    kept = [word for word in options if word.partition("=")[0] not in replaced]
    return [*kept, *others]


def script(job: Job, words: Sequence[str], others: Sequence[str] = ()) -> str:
    """The batch script.

    Args:
      job: what to request.
      words: the experiment and its flags.
      others: further options for sbatch.
    """
    lines = [
        "#!/usr/bin/env bash",
        *(f"#SBATCH {shlex.quote(option)}" for option in directives(job, words[0], others)),
        f"cd {shlex.quote(str(ROOT))}",
        "./launch.sh setup  # once, before the tasks start",
        "status=0",
        f"srun --kill-on-bad-exit=1 ./launch.sh {shlex.join(words)} || status=$?",
        "# 143: stopped by the signal above, with a checkpoint",
        '[ "$status" -ne 143 ] || scontrol requeue "$SLURM_JOB_ID"',
        'exit "$status"',
    ]
    return "\n".join(lines) + "\n"


def run(words: Sequence[str]) -> int:
    """Prints or submits the job; returns the exit status."""
    usage = "Write ./launch.sh slurm [-n] [--nodes=N] [--gpus=N] [--OPTION=x] EXPERIMENT [--flags]."
    dry, ours, theirs = split(words, usage)
    job, others = parsed(ours)
    text = script(job, theirs, others)
    if dry:
        print(text, end="")
        return 0
    try:
        return subprocess.run(["sbatch"], input=text, text=True).returncode
    except FileNotFoundError:
        raise UserError(
            "sbatch is not installed: run this on a login node, or give -n to print the script."
        ) from None


main = main_of(run, Job())

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
