"""MNIST (`data/mnist_builder.py` too): prepared once, interruptible, read without TensorFlow."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data import idx, mnist, mnist_builder
from data.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def no_raw_folder_in_the_environment(raw_dir, monkeypatch):
    if not (raw_dir / "mnist").is_dir():
        pytest.skip(f"needs MNIST's four files in {raw_dir / 'mnist'}")
    monkeypatch.delenv("UNFOLD_RAW_DIR", raising=False)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder in which these tests prepare the data once."""
    return tmp_path_factory.mktemp("prepared")


@pytest.fixture
def damaged_copy(prepared, raw_dir, tmp_path):
    """A copy of the prepared data that a test may damage, and its data_dir."""
    mnist.load(prepared, raw_dir)
    shutil.copytree(prepared, tmp_path / "copy")
    return tmp_path / "copy" / "unfold_mnist" / "1.0.0", tmp_path / "copy"


def test_is_the_published_data_in_the_published_order(prepared, raw_dir):
    sets = mnist.load(prepared, raw_dir)
    again = mnist.load(prepared)  # from the prepared files alone
    for split, files in mnist.FILES.items():
        images, labels = (raw_dir / "mnist" / file.name for file in files)
        for found in (getattr(sets, split), getattr(again, split)):
            np.testing.assert_array_equal(found.images, idx.read_images(images))
            np.testing.assert_array_equal(found.labels, idx.read_labels(labels))
            assert found.images.dtype == np.uint8 and found.labels.dtype == np.int32
    assert sets.train.labels[:6].tolist() == [5, 0, 4, 1, 9, 2]
    assert np.bincount(sets.test.labels).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009
    ]  # fmt: skip
    assert sets.classes == tuple("0123456789")


def test_never_imports_tensorflow_or_jax(tmp_path, raw_dir):
    program = (
        "import sys; from data import digits, distortions, image_folder, mnist; "
        f"mnist.load({str(tmp_path)!r}, {str(raw_dir)!r}); "
        "print({'tensorflow', 'jax', 'flax'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout == "set()\n"


def test_a_wrong_raw_file_is_an_error_even_when_data_is_prepared(prepared, raw_dir, tmp_path):
    mnist.load(prepared, raw_dir)
    shutil.copytree(raw_dir / "mnist", tmp_path / "mnist")
    labels = tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz"
    labels.chmod(0o644)
    labels.write_bytes(labels.read_bytes()[:-1] + b"!")
    with pytest.raises(UserError, match="t10k-labels-idx1-ubyte.gz is a different file"):
        mnist.load(prepared, tmp_path)
    labels.unlink()
    with pytest.raises(UserError, match="t10k-labels-idx1-ubyte.gz is missing"):
        mnist.load(prepared, tmp_path)


def test_the_environment_names_the_raw_folder(prepared, raw_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("UNFOLD_RAW_DIR", str(raw_dir))
    assert len(mnist.load(prepared).test.labels) == 10_000
    monkeypatch.setenv("UNFOLD_RAW_DIR", str(tmp_path))
    with pytest.raises(UserError, match="is missing"):
        mnist.load(tmp_path / "new")


def test_the_sums_are_those_of_the_files(raw_dir):
    for name, expected in mnist.sums().items():
        content = (raw_dir / "mnist" / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == expected
        (size,) = {f.size for files in mnist.FILES.values() for f in files if f.name == name}
        assert len(content) == size


@pytest.mark.parametrize(
    "name",
    [
        "unfold_mnist-train.array_record-00000-of-00001",
        "unfold_mnist-test.array_record-00000-of-00001",
        "dataset_info.json",
        "metadata.json",
    ],
)
@pytest.mark.parametrize("damage", ["cut", "empty", "flip"])
def test_damaged_prepared_data_is_never_used(damaged_copy, name, damage):
    folder, data_dir = damaged_copy
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 0x80
    kept = {"cut": len(content) // 2, "empty": 0, "flip": len(content)}[damage]
    (folder / name).write_bytes(content[:kept])
    with pytest.raises(UserError, match="delete that folder") as caught:
        mnist.load(data_dir)
    assert str(folder.parent) in str(caught.value)


def test_missing_files_and_other_raw_files_are_refused(damaged_copy):
    folder, data_dir = damaged_copy
    (folder / "metadata.json").write_text('{"another.gz": "sum"}')
    with pytest.raises(UserError, match="prepared from other raw files; delete that folder"):
        mnist.load(data_dir)
    (folder / "metadata.json").unlink()
    with pytest.raises(UserError, match="prepared from other raw files"):
        mnist.load(data_dir)
    (folder / "dataset_info.json").unlink()
    with pytest.raises(UserError, match="damaged; delete that folder"):
        mnist.load(data_dir)


def test_a_shortened_set_is_refused(damaged_copy):
    folder, data_dir = damaged_copy
    info = folder / "dataset_info.json"
    info.write_text(info.read_text().replace('"60"', '"50"'))
    with pytest.raises(UserError, match="damaged; delete that folder"):
        mnist.load(data_dir)


def test_an_interrupted_preparation_leaves_no_data(tmp_path, raw_dir, monkeypatch):
    def interrupted(path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(idx, "read_labels", interrupted)
        mnist.load(tmp_path, raw_dir)
    assert not (tmp_path / "unfold_mnist" / "1.0.0").exists()
    assert len(mnist.load(tmp_path, raw_dir).train.labels) == 60_000


def test_the_data_of_a_faster_process_is_accepted(tmp_path, prepared, raw_dir, monkeypatch):
    mnist.load(prepared, raw_dir)
    read_labels = idx.read_labels

    def overtaken_by_another_process(path):
        shutil.copytree(prepared / "unfold_mnist", tmp_path / "unfold_mnist", dirs_exist_ok=True)
        return read_labels(path)

    monkeypatch.setattr(idx, "read_labels", overtaken_by_another_process)
    assert len(mnist.load(tmp_path, raw_dir).train.labels) == 60_000


def test_a_folder_that_cannot_be_written_is_named(tmp_path, raw_dir):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match="cannot be written .* choose a --data_dir"):
        mnist.load(tmp_path / "file", raw_dir)


def test_without_raw_files_or_network_the_error_says_what_to_do(tmp_path, monkeypatch):
    def get(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr("requests.get", get)
    with pytest.raises(UserError, match="put train-images-idx3-ubyte.gz") as caught:
        mnist.load(tmp_path)
    assert mnist.ADDRESSES[0] in str(caught.value)
    assert "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609" in str(caught.value)
    assert not mnist_builder.opened(tmp_path, mnist.sums()).data_path.exists()
