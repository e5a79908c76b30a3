"""Times training steps, against PyTorch's best form of the same net where there is one.

    ./launch.sh speed NAME [--out=FILE] [--rounds=5] [--only=TEXT]
"""

import importlib.util
import pathlib
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from absl import flags

from data.errors import UserError
from experiments.launch import main_of
from experiments.runtime.workdir import write_atomically, write_json
from experiments.speed import (
    devices,
    interleaved,
    lenet5,
    recurrent,
    recurrent_memory,
    scale,
    tagger,
    translate,
)

Rows = list[dict[str, Any]]


class Benchmark(NamedTuple):
    """What NAME stands for."""

    rows: Callable[[int, str], Rows]  # (rounds, only)
    peer: bool = True  # whether it needs PyTorch
    columns: Iterable[str] = interleaved.COLUMNS  # of the printed table
    picture: Callable[[Rows], str] | None = None  # an SVG, written next to --out


BENCHMARKS = {
    "devices": Benchmark(devices.benchmark, peer=False),
    "lenet5": Benchmark(lenet5.benchmark),
    "recurrent": Benchmark(recurrent.benchmark),
    "scale": Benchmark(scale.benchmark, False, scale.COLUMNS),
    "tagger": Benchmark(tagger.benchmark, columns=tagger.COLUMNS),
    "translate": Benchmark(translate.benchmark),
    "word_lm": Benchmark(
        lambda rounds, only: recurrent.benchmark(rounds, only, recurrent.WORD_MODELS)
    ),
    "recurrent-memory": Benchmark(
        recurrent_memory.benchmark, False, recurrent_memory.COLUMNS, recurrent_memory.picture
    ),
}


def parsed(argv: list[str]) -> tuple[Benchmark, flags.FlagValues]:
    """The benchmark NAME and the flags --out, --rounds and --only; raises UserError."""
    values = flags.FlagValues()
    flags.DEFINE_string("out", "", "JSON file to write the rows to", flag_values=values)
    flags.DEFINE_integer("rounds", 5, "times each form is timed", lower_bound=1,
                         flag_values=values)
    flags.DEFINE_string("only", "", "time only workloads with this in their names",
                        flag_values=values)
    try:
        words = values(argv)[1:]
    except flags.Error as error:
        raise UserError(f"{error}.") from None
    if len(words) != 1 or words[0] not in BENCHMARKS:
        raise UserError(f"Write ./launch.sh speed NAME, with one of {', '.join(BENCHMARKS)}.")
    benchmark = BENCHMARKS[words[0]]
    if values.out and not pathlib.Path(values.out).absolute().parent.is_dir():
        raise UserError(f"--out={values.out}: its folder does not exist; create it first.")
    if benchmark.peer and importlib.util.find_spec("torch") is None:
        raise UserError(
            "The comparison needs PyTorch; install it with UNFOLD_EXTRAS=oracle ./launch.sh setup."
        )
    return benchmark, values


def run(words: Sequence[str]) -> int:
    """Times the workloads and prints the table; returns the exit status."""
    benchmark, values = parsed(["speed", *words])
    rows = benchmark.rows(values.rounds, values.only)
    interleaved.print_rows(rows, benchmark.columns)
    if values.out:
        out = pathlib.Path(values.out)
        write_json(out, rows)
        if benchmark.picture:
            write_atomically(out.with_suffix(".svg"), benchmark.picture(rows))
    return 0


main = main_of(run)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
