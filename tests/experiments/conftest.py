"""What the tests of experiments share: a tiny data set, and runs on it without a report."""

import contextlib
import gc
import shutil
import signal
import struct
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from experiments import lenet5
from experiments.images import lenet5_report
from experiments.runtime.command_line import main
from experiments.training import run as training_run


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


def pytest_collection_modifyitems(items):
    """Ignores a late error of TensorStore in the modules that read damaged checkpoints.

    When Orbax has given up a damaged file, TensorStore calls back to an event loop that is closed.
    """
    for item in items:
        if "no_garbage_left" in getattr(item, "fixturenames", ()):
            ignored = "ignore::pytest.PytestUnraisableExceptionWarning"
            item.add_marker(pytest.mark.filterwarnings(ignored))


@pytest.fixture(scope="module")
def no_garbage_left():
    """For modules that read damaged checkpoints: collects the garbage that such reads leave.

    When Python collects their failed tasks it prints tracebacks, for which it parses source code;
    CPython 3.11 fails if it is parsing other code meanwhile, as `experiments.__main__` does.
    """
    yield
    gc.collect()


@pytest.fixture(scope="session")
def own_digits(tmp_path_factory):
    """A user's own folder of IDX files; tests must not change it."""
    return write_digits(tmp_path_factory.mktemp("digits"))


@pytest.fixture
def write_own_digits():
    return write_digits


@pytest.fixture
def lenet5_command(monkeypatch, capfd):
    """Runs LeNet-5's command with arguments; gives (status, standard output, standard error)."""
    monkeypatch.setattr(lenet5_report, "write", lambda *_: None)  # has tests of its own
    monkeypatch.setattr(lenet5, "robustness", lambda *_: {})

    def command(*words):
        capfd.readouterr()
        monkeypatch.setattr("sys.argv", ["lenet5", *map(str, words)])
        status = main(lenet5.PRESETS, lenet5.run)
        return status, *capfd.readouterr()

    return command


@pytest.fixture
def run_main(monkeypatch, capfd):
    """Runs `main(*experiment)` with arguments; gives (status, standard output, standard error)."""

    def run(words, *experiment):
        capfd.readouterr()
        monkeypatch.setattr("sys.argv", ["experiment", *map(str, words)])
        return main(*experiment), *capfd.readouterr()

    return run


@pytest.fixture(scope="module")
def trained_on(tmp_path_factory):
    """Trains an experiment on a text; gives the run's folder. `report` is not written."""

    def train(text, words, experiment, report=None):
        folder = tmp_path_factory.mktemp("trained")
        (folder / "own.txt").write_text(text)
        files = (f"--dataset={folder / 'own.txt'}", f"--workdir={folder / 'run'}")
        with pytest.MonkeyPatch.context() as patch:
            if report is not None:
                patch.setattr(report, "write", lambda *_: None)
            patch.setattr("sys.argv", ["experiment", *words, *files])
            assert main(experiment.PRESETS, experiment.run) == 0
        return folder / "run"

    return train


@pytest.fixture
def cut_at(monkeypatch):
    """Inside `cut_at(step)`, a run receives SIGTERM once it has done that many steps."""

    @contextlib.contextmanager
    def cut(step, **changes):
        fit = training_run.fit

        def interrupted(*args, on_call, **rest):
            def once(now):
                if now >= step:
                    signal.raise_signal(signal.SIGTERM)
                return on_call(now)

            return fit(*args, on_call=once, **rest | changes)

        with monkeypatch.context() as patch:
            patch.setattr(training_run, "fit", interrupted)
            yield

    return cut


@pytest.fixture
def write_text(tmp_path):
    """Writes a user's own text to a file; gives its path."""

    def write(text):
        path = tmp_path / "own.txt"
        path.write_text(text)
        return path

    return write


class Page(HTMLParser):
    """A page's elements with their attributes, and all of its text."""

    def __init__(self, page: str):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


HOSTILE = "<img src=x onerror=alert(1)>"  # a folder may have this name


@pytest.fixture
def hostile_folder(tmp_path):
    return tmp_path / HOSTILE


@pytest.fixture
def assert_shown_as_text():
    """(path of a report, texts): nothing in the page is active, and it shows these texts."""

    def check(path, *texts):
        page = Page(path.read_text(encoding="utf-8"))
        for tag, attributes in page.found:
            assert tag not in ("script", "iframe", "object", "link", "six", "b", "i")
            assert not [name for name in attributes if name.startswith("on")]
            assert tag != "img" or attributes["src"].startswith("data:image/")
        for text in (HOSTILE, *texts):
            assert text in page.text

    return check


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 1,500 KiB; skips the test if mounting one is not allowed."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs permission to mount a small disk")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)
