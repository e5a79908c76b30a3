"""Exports a trained net: its parameters, and its forward pass as a function of them.

    ./launch.sh export --workdir=runs/lenet5/quick --out=lenet5

The new folder holds `parameters.safetensors`, `forward.jax` and `export.json`, which describes
the inputs and outputs. Using them does not need this project:

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
from experiments.export.package import check_destination, write
from experiments.launch import main_of
from experiments.runtime.command_line import options_of
from experiments.runtime.options import option
from experiments.training.trained_net import saved_run


@dataclasses.dataclass(frozen=True, kw_only=True)
class Export:
    """What to export, and where to."""

    workdir: str = option("", "folder of the run to export", path=True)
    out: str = option("", "folder to create", path=True)
    data_dir: str = option("", "tagger: folder of prepared data, to build the vocabulary")
    raw_dir: str = option("", "tagger: folder of raw files, likewise")
    vectors: str = option("", "tagger: file of word vectors, if it has moved since the run")


def run(words: Sequence[str]) -> int:
    """Writes the folder; returns the exit status. Raises UserError."""
    options = options_of(Export(), ["export", *words])
    if not (options.workdir and options.out):
        raise UserError("Write ./launch.sh export --workdir=RUN --out=FOLDER.")
    check_destination(options.out)
    saved = saved_run(options.workdir, tuple(experiments(pathlib.Path(__file__).parents[1])))
    entry = importlib.import_module(f"experiments.{saved.experiment}")
    written = write(options.out, saved, entry.export_form(saved, options))
    print(
        f"{saved.experiment}, step {saved.step}: {written['parameter_count']:,} parameters and "
        f"forward({', '.join(written['inputs'])}) -> {', '.join(written['outputs'])} in "
        f"{options.out}"
    )
    return 0


main = main_of(run, Export())

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
