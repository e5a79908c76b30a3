"""MNIST as a TensorFlow Datasets builder that prepares and reads without TensorFlow.

A record holds a thousand images, so that reading all 70,000 takes a tenth of a second rather than
several seconds. The builder has a name of its own to avoid TFDS's own `mnist`, whose prepared
files need TensorFlow.
"""

import contextlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from data import idx
from data.errors import UserError
from data.files import user_path

CHUNK = 1000  # images per record; divides the size of both splits


class UnfoldMnist(tfds.core.GeneratorBasedBuilder):
    """MNIST in records of a thousand images and labels, in the published order."""

    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, data_dir: Path) -> None:
        self.paths: dict[str, tuple[Path, ...]] = {}  # split -> raw files of images and labels
        super().__init__(data_dir=data_dir, file_format="array_record")

    def _info(self) -> tfds.core.DatasetInfo:
        tensor = tfds.features.Tensor
        as_bytes = tfds.features.Encoding.BYTES  # instead of one 64-bit integer per pixel
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "images": tensor(shape=(CHUNK, 28, 28), dtype=np.uint8, encoding=as_bytes),
                    "labels": tensor(shape=(CHUNK,), dtype=np.int32, encoding=as_bytes),
                }
            ),
            metadata=tfds.core.MetadataDict(),  # SHA-256 of the raw files by name
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        del dl_manager  # it would use TensorFlow to unpack gzip
        return {split: self._generate_examples(*paths) for split, paths in self.paths.items()}

    def _generate_examples(self, images: Path, labels: Path) -> Iterator[tuple[int, dict]]:
        pixels, numbers = idx.read_images(images), idx.read_labels(labels)
        for start in range(0, len(pixels), CHUNK):
            chunk = slice(start, start + CHUNK)
            yield start, {"images": pixels[chunk], "labels": numbers[chunk]}


@contextlib.contextmanager
def _reading(folder: Path) -> Iterator[None]:
    """Turns any exception raised while reading prepared data into a UserError."""
    try:
        yield
    except (ImportError, MemoryError):
        raise
    except PermissionError as error:
        raise UserError(
            f"{folder} cannot be read; ask its owner for permission or choose another --data_dir."
        ) from error
    except Exception as error:  # of any kind, since TFDS itself wrote the files
        raise damaged(folder) from error


def damaged(folder: Path) -> UserError:
    """The error for prepared data that differs from what was written."""
    return UserError(f"The prepared data in {folder} is damaged; delete that folder and run again.")


def opened(data_dir: str | Path | None, sums: dict[str, str]) -> UnfoldMnist:
    """The builder for `data_dir`, whether its data is prepared or not.

    Raises:
      UserError: the data there is damaged or was prepared from other raw files.
    """
    root = user_path(data_dir or tfds.core.constants.DATA_DIR)
    folder = root / UnfoldMnist.name
    with _reading(folder):
        builder = UnfoldMnist(root)
        prepared = builder.data_path.exists()
        found = builder.info.metadata  # read from the folder, if it exists
    if prepared and not builder.info.splits:
        raise damaged(folder)
    if prepared and found != sums:
        raise UserError(
            f"{folder} was prepared from other raw files; delete that folder or choose "
            "another --data_dir."
        )
    return builder


def prepare(builder: UnfoldMnist, paths: dict[str, tuple[Path, ...]], sums: dict[str, str]) -> None:
    """Prepares the data from the raw files in a temporary folder, which is renamed at the end.

    Two processes may do this at once: the second finds the finished folder and leaves it alone.

    Raises:
      UserError: the folder cannot be written.
    """
    builder.paths = paths
    builder.info.metadata.update(sums)
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # TFDS's notices
            builder.download_and_prepare(
                download_config=tfds.download.DownloadConfig(try_download_gcs=False)
            )
    except OSError as error:
        if not builder.data_path.exists():
            raise UserError(
                f"{builder.data_path} cannot be written ({error.strerror or error}); "
                "choose a --data_dir that is writable."
            ) from error
    logging.getLogger(__name__).info("MNIST prepared in %s", builder.data_path)


def read(builder: UnfoldMnist, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Reads a whole split: images uint8 [N, 28, 28] and labels int32 [N].

    Raises:
      UserError: the prepared files are damaged.
    """
    with _reading(builder.data_path.parent):
        source = builder.as_data_source(split)
        chunks = source.__getitems__(range(len(source)))
        images, labels = ([chunk[name] for chunk in chunks] for name in ("images", "labels"))
        return np.concatenate(images), np.concatenate(labels)
