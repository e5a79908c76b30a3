"""Codes of one's own pictures: `./launch.sh autoencoder encode --pictures=FOLDER --out=FILE`."""

import csv
import dataclasses
import io
import pathlib
import types

import jax
import numpy as np

from data import pictures
from data.errors import UserError
from data.files import user_path
from experiments.images.reconstruction import make_model, pixels
from experiments.runtime.options import option
from experiments.runtime.workdir import replace_atomically
from experiments.training.export_form import KEY
from experiments.training.trained_net import saved_run


@dataclasses.dataclass(frozen=True, kw_only=True)
class Encode:
    """The options of the command `encode`."""

    workdir: str = option("runs/autoencoder/digits", "the run whose net is used", path=True)
    pictures: str = option("", "a picture file, or a folder of them, which are read in the order "
                           "of their names", path=True)  # fmt: skip
    out: str = option("codes.csv", "the file to write: .csv, with the pictures' names, or .npy",
                      path=True)  # fmt: skip


DEFAULT = Encode()


def encode(options: Encode) -> None:
    """Writes the codes.

    Raises:
      UserError: there is no trained net, no picture, or no place to write to.
    """
    out = pathlib.Path(options.out)
    if out.suffix not in (".csv", ".npy"):
        raise UserError(f"--out={options.out}: name a file that ends in .csv or .npy.")
    paths = picture_files(options.pictures)
    saved = saved_run(options.workdir, ("autoencoder",))
    if saved.identity["dataset"] == "identity":
        raise UserError(f"--workdir={options.workdir} is a run on the identity; name one that was "
                        "trained on images.")  # fmt: skip
    model = make_model(types.SimpleNamespace(**saved.identity))
    params = saved.parameters(jax.eval_shape(model.init, KEY))
    images = pixels(pictures.read(paths))
    codes = np.asarray(jax.jit(model.encode)(params, images))
    try:
        replace_atomically(out, written(codes, paths, out.suffix))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        raise UserError(f"--out={options.out} cannot be written ({error.strerror}); name another "
                        "file.") from None  # fmt: skip
    print(f"{len(codes)} codes of {codes.shape[1]} numbers: {out}")


def picture_files(path: str) -> list[pathlib.Path]:
    """The pictures that a path stands for; raises UserError if there are none."""
    if not path:
        raise UserError("--pictures must name a picture file, or a folder of them.")
    place = user_path(path)
    found = [place] if place.is_file() else []
    if place.is_dir():
        found = sorted(file for file in place.iterdir() if pictures.is_picture(file))
    if not found:
        raise UserError(f"--pictures={path}: there is no picture ({', '.join(pictures.ENDINGS)}); "
                        "name a file, or a folder that holds some.")  # fmt: skip
    return found


def written(codes: np.ndarray, paths: list[pathlib.Path], suffix: str) -> bytes:
    """The content of a file of codes [N, K]."""
    if suffix == ".npy":
        file = io.BytesIO()
        np.save(file, codes)
        return file.getvalue()
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["picture", *range(1, codes.shape[1] + 1)])
    table.writerows([path.name, *row] for path, row in zip(paths, codes.tolist(), strict=True))
    return text.getvalue().encode("utf-8", errors="backslashreplace")
