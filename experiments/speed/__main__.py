"""Times training steps, against PyTorch's best form of the same net where there is one.

    ./launch.sh speed NAME [--out=FILE] [--rounds=5] [--only=TEXT]

NAME is one of devices, lenet5, recurrent, recurrent-memory, scale, tagger, translate and word_lm.
"""

import dataclasses
import importlib.util
import pathlib
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from data.errors import UserError
from experiments.launch import main_of
from experiments.runtime.command_line import flags_and_words
from experiments.runtime.options import check, option
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
    """A benchmark that NAME stands for."""

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """The command's flags."""

    out: str = option("", "JSON file to write the rows to", path=True)
    rounds: int = option(5, "number of times each form is timed", least=1)
    only: str = option("", "time only the workloads whose names contain this")


def parsed(words: Sequence[str]) -> tuple[Benchmark, Options]:
    """The benchmark NAME and the flags; raises UserError."""
    given, names = flags_and_words(Options(), ["speed", *words])
    options = Options(**given)
    check(options)
    if len(names) != 1 or names[0] not in BENCHMARKS:
        raise UserError(f"Write ./launch.sh speed NAME, with one of {', '.join(BENCHMARKS)}.")
    benchmark = BENCHMARKS[names[0]]
    if options.out and not pathlib.Path(options.out).absolute().parent.is_dir():
        raise UserError(f"--out={options.out}: its folder does not exist; create it first.")
    if benchmark.peer and importlib.util.find_spec("torch") is None:
        raise UserError(
            "The comparison needs PyTorch; install it with UNFOLD_EXTRAS=oracle ./launch.sh setup."
        )
    return benchmark, options


def run(words: Sequence[str]) -> int:
    """Times the workloads and prints the table; returns the exit status."""
    benchmark, options = parsed(words)
    rows = benchmark.rows(options.rounds, options.only)
    interleaved.print_rows(rows, benchmark.columns)
    if options.out:
        out = pathlib.Path(options.out)
        write_json(out, rows)
        if benchmark.picture:
            write_atomically(out.with_suffix(".svg"), benchmark.picture(rows))
    return 0


main = main_of(run, Options())

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
