"""Runs an experiment on a TPU slice through gcloud: the same command on all of its hosts.

    ./launch.sh tpu [-n] --name=my-slice --zone=us-central2-b EXPERIMENT --workdir=/shared/run

With -n the commands are printed and not run. The slice must exist already, and its hosts must
share the --workdir (only process 0 writes there).
"""

import dataclasses
import pathlib
import shlex
import subprocess
import sys
from collections.abc import Sequence

from data.errors import UserError
from experiments.launch import main_of
from experiments.launch.slurm import split
from experiments.runtime.command_line import options_of
from experiments.runtime.options import option

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = "unfold"  # in the home folder of each host


@dataclasses.dataclass(frozen=True, kw_only=True)
class Slice:
    """The TPU slice to run on."""

    name: str = option("", "name of the TPU VM")
    zone: str = option("", "its Google Cloud zone")


def commands(slice_: Slice, words: Sequence[str]) -> list[list[str]]:
    """The commands that copy the project to every host and start the run on all of them."""
    where = [f"--zone={slice_.zone}", "--worker=all"]
    gcloud = ["gcloud", "compute", "tpus", "tpu-vm"]
    remote = f"cd {FOLDER} && UNFOLD_EXTRAS=tpu ./launch.sh {shlex.join(words)} --distributed=on"
    files = [str(ROOT / name) for name in
             ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "launch.sh", "nets",
              "experiments", "data")]  # fmt: skip
    return [
        [*gcloud, "ssh", slice_.name, *where, f"--command=mkdir -p {FOLDER}"],
        [*gcloud, "scp", "--recurse", *files, f"{slice_.name}:{FOLDER}/", *where],
        [*gcloud, "ssh", slice_.name, *where, f"--command={remote}"],
    ]


def run(words: Sequence[str]) -> int:
    """Prints or runs the commands; returns the exit status."""
    usage = "Write ./launch.sh tpu [-n] --name=TPU --zone=ZONE EXPERIMENT [--flags]."
    dry, ours, theirs = split(words, usage)
    slice_ = options_of(Slice(), ["tpu", *ours])
    if not (slice_.name and slice_.zone):
        raise UserError(usage)
    for command in commands(slice_, theirs):
        if dry:
            print(shlex.join(command))
            continue
        try:
            status = subprocess.run(command).returncode
        except FileNotFoundError:
            raise UserError(
                "gcloud is not installed: install it, or give -n to print the commands."
            ) from None
        if status:
            return status
    return 0


main = main_of(run, Slice())

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
