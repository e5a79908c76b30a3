"""The command line of the export.

    ./launch.sh export --workdir=runs/lenet5/quick --out=lenet5

The new folder holds `parameters.safetensors`, `forward.jax` and `export.json`, which says what goes
in and comes out. Neither needs this project:

    forward = jax.export.deserialize(bytearray(pathlib.Path("lenet5/forward.jax").read_bytes()))
    parameters = safetensors.numpy.load_file("lenet5/parameters.safetensors")
    scores = forward.call(parameters, {"images": images})["scores"]
"""

import dataclasses
import importlib
import pathlib
import sys
from collections.abc import Sequence

from data.errors import UserError
from experiments.__main__ import experiments
from experiments.export.package import check_place, write
from experiments.launch import main_of
from experiments.runtime.command_line import options_of
from experiments.runtime.options import option
from experiments.training.trained_net import saved_run


@dataclasses.dataclass(frozen=True, kw_only=True)
class Export:
    """What is to be exported, and where to."""

    workdir: str = option("", "the run whose parameters are wanted", path=True)
    out: str = option("", "the folder to make", path=True)
    data_dir: str = option("", "tagger: prepared data, by which words are numbered; as the run's")
    raw_dir: str = option("", "tagger: raw files for the same; as the run's")
    vectors: str = option("", "tagger: the file of given vectors, if it is not where it was")


def run(words: Sequence[str]) -> int:
    """Writes the folder; raises UserError."""
    asked = options_of(Export(), ["export", *words])
    if asked is None:
        return 0
    if not (asked.workdir and asked.out):
        raise UserError("Write ./launch.sh export --workdir=RUN --out=FOLDER.")
    check_place(asked.out)
    saved = saved_run(asked.workdir, tuple(experiments(pathlib.Path(__file__).parents[1])))
    entry = importlib.import_module(f"experiments.{saved.experiment}")
    written = write(asked.out, saved, entry.export_form(saved, asked))
    print(
        f"{saved.experiment}, step {saved.step}: {written['parameter_count']:,} parameters and "
        f"forward({', '.join(written['inputs'])}) -> {', '.join(written['outputs'])} in {asked.out}"
    )
    return 0


main = main_of(run)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
