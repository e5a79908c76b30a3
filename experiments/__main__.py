"""Lists the experiments, or says whether one exists: `python -m experiments [NAME]`.

Reads the files without importing them, with the standard library alone, so that `./launch.sh`
can answer before anything is installed. An experiment is a module with a function `run` and a
class `Config`; the first line of its docstring reads `What it does. | Paper`.
"""

import ast
import pathlib
import sys

COMMANDS = """
./launch.sh EXPERIMENT [--flags]               trains it, or resumes; --help lists the flags
./launch.sh multi N EXPERIMENT ...             the same in N processes on this machine
./launch.sh slurm [-n] EXPERIMENT ...          submits it to SLURM; with -n prints the batch script
./launch.sh tpu [-n] EXPERIMENT ...            runs it on a TPU slice; with -n prints the commands
./launch.sh sweep [-n] EXPERIMENT --flag=a,b   runs every combination, ends in a table
./launch.sh export --workdir=RUN --out=FOLDER  parameters and forward function, for elsewhere
./launch.sh doctor                             looks at installation, devices and data
./launch.sh test [--thorough] [pytest's ...]   runs the tests; --thorough: the slow ones too
./launch.sh speed NAME [--out=FILE]            times a training step against PyTorch's
./launch.sh faults [--count=120]               hurts real runs at random, shows what they lose
./launch.sh results [add FOLDERS]              makes the README's table of results anew
./launch.sh setup                              installs and does nothing else
./launch.sh -n ...                             prints the command instead of running it
"""
VARIABLES = """
UNFOLD_RAW_DIR  folder of raw data files, <folder>/<dataset>/<file>, used instead of downloading
UNFOLD_EXTRAS   more to install, by commas: cuda12, cuda13, tpu, test, oracle (PyTorch)
"""


def headline(path: pathlib.Path) -> str | None:
    """The first docstring line of an experiment's module; None where it is no experiment."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    runs = any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in tree.body)
    configured = any(
        isinstance(node, ast.ClassDef) and node.name == "Config" for node in tree.body
    )
    return (ast.get_docstring(tree) or "").partition("\n")[0] if runs and configured else None


def experiments(folder: pathlib.Path) -> dict[str, str]:
    """Name -> `what it does | paper`, in order of name."""
    lines = {path.stem: headline(path) for path in sorted(folder.glob("*.py"))}
    return {name: line for name, line in lines.items() if line is not None}


def listing(known: dict[str, str]) -> str:
    """The text that `./launch.sh` alone shows."""
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
    if not arguments:
        print(listing(known))
    elif arguments[0] not in known:
        names = ", ".join(known) or "none yet"
        print(f"There is no experiment {arguments[0]!r}; there are: {names}.", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
