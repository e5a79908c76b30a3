"""Rewrites the tables of results in README.md and experiments/results/README.md.

    ./launch.sh results                              rewrites the tables from the committed files
    ./launch.sh results add runs/lenet5/paper ...    adds the results of finished runs first
    ./launch.sh results picture runs/lenet5/quick    draws what LeNet-5 makes of a digit
"""

import pathlib
import sys
from collections.abc import Sequence

from data.errors import UserError
from experiments.launch import main_of
from experiments.results import files, picture, tables
from experiments.runtime.workdir import write_atomically

ROOT = pathlib.Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "experiments" / "results" / "README.md")


def run(words: Sequence[str]) -> int:
    """Runs the command; returns the exit status."""
    words = list(words)
    if words[:1] == ["picture"] and len(words) == 2:
        print(f"picture: {picture.write(words[1])}")
        return 0
    if words[:1] not in ([], ["add"]):
        raise UserError(
            "Write ./launch.sh results, ./launch.sh results add FOLDER ..., or "
            "./launch.sh results picture FOLDER."
        )
    files.add(words[1:])
    for page in PAGES:
        write_atomically(page, tables.with_tables(page.read_text(encoding="utf-8")))
    return 0


main = main_of(run)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
