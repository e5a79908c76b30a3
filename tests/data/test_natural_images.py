"""Natural images: whitening, patches, the published files, and folders of pictures."""

import io

import numpy as np
import pytest
from PIL import Image

from data import natural_images
from data.errors import UserError
from data.natural_images import patches, shrunk, spectrum, whitened


@pytest.fixture(scope="module")
def pink():
    """An image whose amplitudes fall as 1 / f."""
    frequency = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.rfftfreq(128))
    noise = np.fft.rfft2(np.random.default_rng(0).normal(size=(128, 128)))
    return np.fft.irfft2(noise / np.maximum(frequency, 1 / 128), (128, 128))


def test_whitening_makes_amplitudes_flat_below_the_cutoff_and_small_beyond(pink):
    frequency, before = spectrum([pink])
    _, after = spectrum([whitened(pink)])
    middle = (frequency > 0.06) & (frequency < 0.2)
    assert before[middle].max() > 2 * before[middle].min()
    assert after[middle].max() < 1.2 * after[middle].min()
    assert after[-1] < 0.2 * after[middle].mean()


def test_shrinking_takes_means_of_four():
    image = np.arange(20.0).reshape(4, 5)
    np.testing.assert_array_equal(shrunk(image), [[3, 5], [13, 15]])


def test_patches_lie_within_the_border_and_are_rows_of_the_image():
    images = [np.arange(20.0 * 15).reshape(20, 15), -np.arange(13.0 * 30).reshape(13, 30)]
    found = patches(images, np.random.default_rng(0), 500, 4).reshape(-1, 4, 4)
    steps = np.where(found[:, 0, 0] > 0, 15, -30)
    np.testing.assert_array_equal(found[:, 1, 0] - found[:, 0, 0], steps)
    rows, columns = np.divmod(found[steps == 15][:, 0, 0], 15)
    assert {*rows} == {*range(4, 13)} and {*columns} == {*range(4, 8)}
    again = patches(images, np.random.default_rng(0), 500, 4)
    assert (again == found.reshape(500, 16)).all()
    with pytest.raises(UserError, match="15x15 after halving"):
        patches(images, np.random.default_rng(0), 1, 7)


def test_the_photographs_are_embedded():
    images = natural_images.load("photographs")
    assert [image.shape for image in images] == [(213, 320)] * 2
    assert abs(np.mean([image.var() for image in images]) - natural_images.VARIANCE) < 1e-3
    assert max(abs(image.mean()) for image in images) < 1e-4


def test_the_authors_images(raw_dir):
    images = natural_images.load("olshausen_images", raw_dir)
    assert len(images) == 10 and {image.shape for image in images} == {(512, 512)}
    variances = [image.var() for image in images]
    np.testing.assert_allclose(min(variances) / max(variances), 0.014 / 0.2, rtol=0.1)
    frequency, amplitude = spectrum(images)
    assert amplitude[(frequency > 0.02) & (frequency < 0.125)].min() > 0.7 * amplitude[1]


def test_without_a_raw_folder_one_sentence_says_what_to_put_there(monkeypatch):
    monkeypatch.delenv("UNFOLD_RAW_DIR", raising=False)
    with pytest.raises(UserError, match="olshausen_images is not downloaded: pass --raw_dir="):
        natural_images.load("olshausen_images")


def test_a_folder_of_pictures_of_any_sizes(tmp_path):
    generator = np.random.default_rng(0)
    for name, size in (("b.png", (40, 60, 3)), ("a.jpg", (50, 50))):
        Image.fromarray(generator.integers(0, 256, size, np.uint8)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    images = natural_images.load(str(tmp_path))
    assert [image.shape for image in images] == [(25, 25), (20, 30)]


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "holds no pictures"),
        ({"a.png": b"no picture"}, "cannot be read as a picture"),
        ({"a.png": None}, "of one shade"),
        ({"a.png": png(np.zeros((1, 30), np.uint8))}, "is too small"),
        ({"a.png": png(np.uint8(255) * np.uint8(np.indices((30, 30)).sum(0) % 2))}, "of one shade"),
        ({"a.png": png(np.arange(900, dtype=np.uint16).reshape(30, 30) * 70)}, "more than 8 bits"),
    ],
)
def test_bad_folders(tmp_path, files, message):
    for name, content in files.items():
        if content is None:
            Image.new("L", (30, 30), 9).save(tmp_path / name)
        else:
            (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        natural_images.load(str(tmp_path))


@pytest.mark.parametrize("name", ["photos", "/nowhere/at/all"])
def test_bad_names(name):
    with pytest.raises(UserError, match="choose one of photographs|is not a folder"):
        natural_images.load(name)
