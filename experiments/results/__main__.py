"""The tables of results in README.md and experiments/results/README.md, and a picture.

    ./launch.sh results                              writes the tables anew from the committed files
    ./launch.sh results add runs/lenet5/paper ...    takes over the results of finished runs first
    ./launch.sh results picture runs/lenet5/quick    draws one digit's way through a trained LeNet-5
"""

import pathlib
import sys
from collections.abc import Sequence

from data.errors import UserError
from experiments.results import files, picture, tables
from experiments.runtime.workdir import write_atomically

ROOT = pathlib.Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "experiments" / "results" / "README.md")


def main(words: Sequence[str]) -> int:
    """Returns the exit status."""
    try:
        run(list(words))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def run(words: list[str]) -> None:
    """Does what the words say; raises UserError."""
    if words[:1] == ["picture"] and len(words) == 2:
        print(f"picture: {picture.write(words[1])}")
        return
    if words[:1] not in ([], ["add"]):
        raise UserError(
            f"{' '.join(words)!r}: give nothing, add and the folders of runs, or picture and the "
            "folder of a run of LeNet-5."
        )
    files.add(words[1:])
    for page in PAGES:
        write_atomically(page, tables.with_tables(page.read_text(encoding="utf-8")))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
