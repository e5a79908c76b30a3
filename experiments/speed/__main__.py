"""The command line of the benchmarks."""

import importlib.util
import pathlib
import sys

from absl import flags

from data.errors import UserError
from experiments.speed import lenet5
from experiments.speed.interleaved import print_rows
from experiments.workdir import write_json

BENCHMARKS = {"lenet5": lenet5.benchmark}


def parsed(argv: list[str]) -> tuple[str, str, int]:
    """The words NAME, --out and --rounds; raises UserError."""
    values = flags.FlagValues()
    flags.DEFINE_string("out", "", "write the rows there as JSON", flag_values=values)
    flags.DEFINE_integer("rounds", 7, "of each form", lower_bound=1, flag_values=values)
    try:
        words = values(argv)[1:]
    except flags.Error as error:
        raise UserError(f"{error}.") from None
    if len(words) != 1 or words[0] not in BENCHMARKS:
        raise UserError(f"Say what to time: {', '.join(BENCHMARKS)}.")
    if values.out and not pathlib.Path(values.out).absolute().parent.is_dir():
        raise UserError(f"--out={values.out}: there is no such folder; make it first.")
    if importlib.util.find_spec("torch") is None:
        raise UserError(
            "The comparison needs PyTorch: UNFOLD_EXTRAS=oracle ./launch.sh setup installs it."
        )
    return words[0], values.out, values.rounds


def main() -> int:
    try:
        name, out, rounds = parsed(sys.argv)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    rows = BENCHMARKS[name](rounds)
    print_rows(rows)
    if out:
        write_json(pathlib.Path(out), rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
