"""Lists the experiments, or checks that one exists: `python -m experiments [NAME | --version]`.

Reads the files without importing them, using only the standard library, so that `./launch.sh`
works before anything is installed. An experiment is a module with a function `run` and a class
`Config`; the first line of its docstring is `What it does. | Paper`.
"""

import ast
import pathlib
import sys

from experiments.runtime import usage
from experiments.runtime.broken_pipe import quiet_if_unread

COMMANDS = """
./launch.sh EXPERIMENT [--flags]               trains, or resumes; --help lists the flags
./launch.sh multi N EXPERIMENT ...             trains in N processes on this machine
./launch.sh slurm [-n] EXPERIMENT ...          submits a SLURM job; -n prints the batch script
./launch.sh tpu [-n] EXPERIMENT ...            trains on a TPU slice; -n prints the commands
./launch.sh sweep [-n] EXPERIMENT --flag=a,b   runs all combinations of values and ranks them
./launch.sh export --workdir=RUN --out=FOLDER  exports the parameters and the forward pass
./launch.sh doctor                             checks the installation, the devices and the data
./launch.sh test [--thorough] [pytest args]    runs the tests; --thorough includes the slow ones
./launch.sh speed NAME [--out=FILE]            times training steps against PyTorch
./launch.sh faults [--count=120]               injects faults into runs, shows what is lost
./launch.sh results [add FOLDERS]              rewrites the tables of results
./launch.sh setup                              installs, and runs nothing
./launch.sh NAME --help                        explains an experiment or a command
./launch.sh -n ...                             prints the command instead of running it
"""
VARIABLES = """
UNFOLD_RAW_DIR  folder of raw data files, <folder>/<dataset>/<file>, used instead of downloading
UNFOLD_EXTRAS   extras to install, comma-separated: cuda12, cuda13, tpu, test, oracle (PyTorch)
"""


def headline(path: pathlib.Path) -> str | None:
    """The first line of an experiment's docstring; None if the file is not an experiment."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    runs = any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in tree.body)
    configured = any(
        isinstance(node, ast.ClassDef) and node.name == "Config" for node in tree.body
    )
    return (ast.get_docstring(tree) or "").partition("\n")[0] if runs and configured else None


def experiments(folder: pathlib.Path) -> dict[str, str]:
    """Name -> `what it does | paper`, sorted by name."""
    lines = {path.stem: headline(path) for path in sorted(folder.glob("*.py"))}
    return {name: line for name, line in lines.items() if line is not None}


def listing(known: dict[str, str]) -> str:
    """The text that `./launch.sh` prints without arguments."""
    rows = [(name, *map(str.strip, line.partition("|")[::2])) for name, line in known.items()]
    name_width, title_width = (max((len(row[i]) for row in rows), default=0) for i in (0, 1))
    lines = [
        "Unfold: the classic convolutional and recurrent networks, reproduced in JAX.",
        "\nExperiments",
        *(f"  {n:{name_width}}  {t:{title_width}}  {p}".rstrip() for n, t, p in rows),
        "\nCommands",
        *(f"  {line}" for line in COMMANDS.strip().splitlines()),
        "\nEnvironment variables",
        *(f"  {line}" for line in VARIABLES.strip().splitlines()),
    ]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    known = experiments(pathlib.Path(__file__).parent)
    answer = usage.answer(arguments, lambda: listing(known)) if arguments else listing(known)
    if answer is not None:
        print(answer)
    elif arguments[0] not in known:
        names = ", ".join(known) or "none yet"
        print(f"There is no experiment {arguments[0]!r}; choose one of {names}.", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(quiet_if_unread(main, sys.argv[1:]))
