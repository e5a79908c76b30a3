"""What the tests of experiments share: a tiny data set, and runs of it without a report."""

import shutil
import struct
import subprocess

import numpy as np
import pytest

from experiments import lenet5, lenet5_report
from experiments.command_line import main


def write_idx(path, values):
    """An IDX file of unsigned bytes."""
    sizes = struct.pack(f">{values.ndim}I", *values.shape)
    path.write_bytes(bytes([0, 0, 8, values.ndim]) + sizes + values.astype(np.uint8).tobytes())


def write_digits(folder, classes=10):
    """Four IDX files: 23 images to train on and 7 to test, noise with labels."""
    random = np.random.default_rng(0)
    folder.mkdir(exist_ok=True)
    for split, size in (("train", 23), ("t10k", 7)):
        images = random.integers(0, 256, (size, 28, 28))
        write_idx(folder / f"{split}-images-idx3-ubyte", images)
        write_idx(folder / f"{split}-labels-idx1-ubyte", np.arange(size) % classes)
    return folder


@pytest.fixture(scope="session")
def own_digits(tmp_path_factory):
    """A user's own folder of IDX files, not to be changed."""
    return write_digits(tmp_path_factory.mktemp("digits"))


@pytest.fixture
def write_own_digits():
    return write_digits


@pytest.fixture
def lenet5_command(monkeypatch, capfd):
    """Runs LeNet-5's command with these words; gives (status, standard output, and error)."""
    monkeypatch.setattr(lenet5_report, "write", lambda *_: None)  # has tests of its own
    monkeypatch.setattr(lenet5, "robustness", lambda *_: {})

    def command(*words):
        capfd.readouterr()
        monkeypatch.setattr("sys.argv", ["lenet5", *map(str, words)])
        status = main(lenet5.PRESETS, lenet5.run)
        return status, *capfd.readouterr()

    return command


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 1,500 KiB, where mounting one is allowed."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs leave to mount a small disk")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)
