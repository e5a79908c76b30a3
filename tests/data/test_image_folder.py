"""The user's own images (`data/pictures.py` too) are read rightly, or a sentence names the file."""

import gzip
import struct

import numpy as np
import pytest
from PIL import Image

from data import image_folder, pictures
from data.errors import UserError

GENERATOR = np.random.default_rng(0)
FIELD = GENERATOR.integers(0, 256, (12, 28, 28)).astype(np.uint8)
FIELD[:, [0, -1], :] = FIELD[:, :, [0, -1]] = 0  # dark at the rim


def put(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def put_idx(path, values, pack=bytes):
    sizes = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
    path.write_bytes(pack(sizes + values.astype(np.uint8).tobytes()))


@pytest.fixture
def picture_folder(tmp_path):
    """Eight training and four test pictures of the classes a and b."""
    for number, pixels in enumerate(FIELD):
        split, name = "train" if number < 8 else "test", "ab"[number % 2]
        put(tmp_path / split / name / f"{number:02}.png", pixels)
    (tmp_path / "train" / "a" / ".hidden").write_text("")
    (tmp_path / "train" / "a" / "notes.txt").write_text("")
    return tmp_path


@pytest.fixture
def four_files(tmp_path):
    put_idx(tmp_path / "train-images-idx3-ubyte", FIELD[:8])
    put_idx(tmp_path / "train-labels-idx1-ubyte.gz", np.arange(8) % 3, gzip.compress)
    put_idx(tmp_path / "t10k-images-idx3-ubyte.gz", FIELD[8:], gzip.compress)
    put_idx(tmp_path / "t10k-labels-idx1-ubyte", np.arange(4) % 3)
    return tmp_path


def test_pictures_of_the_right_size_are_kept_to_the_pixel(picture_folder):
    sets = image_folder.load(picture_folder)
    assert sets.classes == ("a", "b")
    np.testing.assert_array_equal(sets.test.images, FIELD[[8, 10, 9, 11]])
    assert sets.test.labels.tolist() == [0, 0, 1, 1]
    for image, label in zip(*sets.train, strict=True):
        (number,) = np.flatnonzero((FIELD == image).all((1, 2)))
        assert number < 8 and label == number % 2
    assert sorted(sets.train.labels.tolist()) == [0] * 4 + [1] * 4
    assert sets.train.labels.tolist() != [0] * 4 + [1] * 4  # shuffled, in a fixed order
    np.testing.assert_array_equal(sets.train.images, image_folder.load(picture_folder).train.images)


def test_the_four_files_may_be_plain_or_gzipped(four_files):
    sets = image_folder.load(four_files)
    np.testing.assert_array_equal(sets.train.images, FIELD[:8])
    np.testing.assert_array_equal(sets.test.images, FIELD[8:])
    assert sets.train.labels.tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert sets.classes == ("0", "1", "2")


def test_ink_on_paper_is_inverted(tmp_path):
    for number, pixels in enumerate(FIELD):
        put(tmp_path / f"{number:02}.png", 255 - pixels)
    np.testing.assert_array_equal(pictures.read(sorted(tmp_path.iterdir())), FIELD)


def test_each_picture_is_inverted_by_its_own_rim(tmp_path):
    for number, pixels in enumerate(FIELD):
        put(tmp_path / f"{number:02}.png", 255 - pixels if number % 3 else pixels)
    np.testing.assert_array_equal(pictures.read(sorted(tmp_path.iterdir())), FIELD)


def test_pictures_of_one_shade_are_counted_and_named(tmp_path, caplog):
    shades = 0, 90, 255
    for number, shade in enumerate(shades):
        put(tmp_path / f"{number}.png", np.full((20, 30), shade, np.uint8))
    put(tmp_path / "faint.jpg", np.full((28, 28), 200, np.uint8) + FIELD[0] % 5)
    paths = sorted(tmp_path.iterdir())
    with pytest.raises(UserError, match=r"4 of 4 pictures are of one shade, such as .*0\.png"):
        pictures.read(paths)
    put(tmp_path / "line.png", np.eye(28, dtype=np.uint8) * 255)
    pictures.read([*paths, tmp_path / "line.png"])
    assert "4 of 5 pictures are of one shade, such as" in caplog.text
    caplog.clear()
    pictures.read([tmp_path / "line.png"])
    assert not caplog.text


def test_pictures_are_scaled_to_fit_and_padded(tmp_path):
    wide = np.zeros((50, 100, 3), np.uint8)
    wide[20:30, 40:60] = 255
    put(tmp_path / "wide.png", wide)
    (image,) = pictures.read([tmp_path / "wide.png"])
    assert image.shape == (28, 28) and image[13, 13] == 255 == image[14, 14]
    rows, columns = np.indices((28, 28)) - 13.5
    assert abs((image * rows).sum()) == abs((image * columns).sum()) == 0
    spread = [(image * axis**2.0).sum() / image.sum() for axis in (rows, columns)]
    assert spread[1] > 2 * spread[0]  # the aspect ratio is kept
    put(tmp_path / "line.png", np.arange(500, dtype=np.uint8)[None])
    assert pictures.read([tmp_path / "line.png"]).shape == (1, 28, 28)


def test_transparency_is_paper_and_colour_is_grey(tmp_path):
    layered = np.zeros((28, 28, 4), np.uint8)  # black and transparent throughout
    layered[10:18, 10:18, 3] = 255  # except for the ink
    put(tmp_path / "layered.png", layered)
    (image,) = pictures.read([tmp_path / "layered.png"])
    assert (image[10:18, 10:18] == 255).all() and image.sum() == 64 * 255


def spoil_unreadable(folder):
    (folder / "train" / "a" / "00.png").write_bytes(b"no picture")
    return r"train/a/00.png cannot be read as a picture"


def spoil_cut(folder):
    path = folder / "test" / "b" / "11.png"
    path.write_bytes(path.read_bytes()[:-200])
    return r"test/b/11.png cannot be read as a picture"


def spoil_empty_class(folder):
    (folder / "train" / "c").mkdir()
    return r"train/c has no pictures"


def spoil_unseen_class(folder):
    put(folder / "test" / "c" / "1.png", FIELD[0])
    return r"test/c is a class that .*train does not have"


def spoil_huge(folder):
    Image.new("1", (10_000, 10_000)).save(folder / "train" / "a" / "huge.png")
    return r"huge.png has more than 50,000,000 pixels"


def spoil_bomb(folder):
    Image.new("1", (20_000, 20_000)).save(folder / "train" / "a" / "bomb.png")
    return r"bomb.png has more than 50,000,000 pixels"


def spoil_deep(folder):
    put(folder / "train" / "a" / "deep.png", np.full((28, 28), 999, np.uint16))
    return r"deep.png has more than 8 bits"


def spoil_layout(folder):
    (folder / "test").rename(folder / "tests")
    return r"holds neither"


def spoil_no_classes(folder):
    for split in ("train", "test"):
        (folder / split).rename(folder / f"old {split}")
        (folder / split).mkdir()
    return r"train has no classes"


def spoil_no_test(folder):
    (folder / "test").rename(folder / "old")
    (folder / "test").mkdir()
    return r"test has no classes"


@pytest.mark.parametrize("name", [name for name in globals() if name.startswith("spoil_")])
@pytest.mark.filterwarnings("error")
def test_faulty_pictures_are_named(picture_folder, name):
    words = globals()[name](picture_folder)
    with pytest.raises(UserError, match=words):
        image_folder.load(picture_folder)


def test_missing_path_is_named(tmp_path):
    with pytest.raises(UserError, match="none is not a folder"):
        image_folder.load(tmp_path / "none")
    with pytest.raises(UserError, match="holds neither"):
        image_folder.load(tmp_path)


def test_faulty_four_files_are_named(four_files):
    (four_files / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(UserError, match="t10k-labels-idx1-ubyte is missing; put it there, plain"):
        image_folder.load(four_files)
    put_idx(four_files / "t10k-labels-idx1-ubyte", np.array([0, 1, 2, 3]))
    with pytest.raises(UserError, match="label 3 occurs in the test set but not in the training"):
        image_folder.load(four_files)
    put_idx(four_files / "t10k-labels-idx1-ubyte", np.array([0, 1, 2]))
    with pytest.raises(UserError, match="4 images but 3 labels"):
        image_folder.load(four_files)
    put_idx(four_files / "t10k-labels-idx1-ubyte", np.array([0, 1, 2, 0]))
    put_idx(four_files / "train-images-idx3-ubyte", FIELD[:8, :20])
    with pytest.raises(UserError, match="training images are 20x28 uint8"):
        image_folder.load(four_files)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_opaque_pictures_are_read_as_with_an_opaque_layer(mode, tmp_path):
    pixels = GENERATOR.integers(0, 256, (40, 30, 3)).astype(np.uint8)
    picture = Image.fromarray(pixels).convert(mode)
    layered = picture.convert("RGBA")
    picture.save(tmp_path / "plain.png"), layered.save(tmp_path / "layered.png")
    plain, layered = pictures.read([tmp_path / "plain.png", tmp_path / "layered.png"])
    assert (plain == layered).all() and len(np.unique(plain)) > 20


def test_one_colour_may_be_transparent(tmp_path):
    pixels = np.zeros((28, 28), np.uint8)
    pixels[8:20, 8:20] = 90
    Image.fromarray(pixels).save(tmp_path / "a.png", transparency=0)  # black is paper
    assert pictures.read([tmp_path / "a.png"]).max() == 255 - 90
