"""Tables: `data/iris.py`, `data/csv_table.py`, `data/cmu_faces.py`, and how rows are shared out."""

import io
import lzma
import tarfile

import numpy as np
import pytest

from data import cmu_faces, csv_table, iris
from data.errors import UserError
from data.tables import TEST, TRAIN, VALID, parts_of_groups, random_parts

# ---- Parts


def test_rows_are_shared_out_by_seed():
    parts = random_parts(624, 104, 260, seed=3)
    assert np.bincount(parts).tolist() == [260, 104, 260]
    assert (parts == random_parts(624, 104, 260, seed=3)).all()
    assert (parts != random_parts(624, 104, 260, seed=4)).any()
    assert (random_parts(5, 0, 0, seed=0) == TRAIN).all()


def test_no_group_is_in_two_parts():
    people = np.repeat(list("abcdefghij"), 7)
    parts = parts_of_groups(people, valid=2, test=3, seed=1)
    of_person = [set(parts[people == name].tolist()) for name in "abcdefghij"]
    assert all(len(found) == 1 for found in of_person)
    assert sorted(part for found in of_person for part in found) == [0] * 5 + [1] * 2 + [2] * 3


# ---- Iris


def test_iris_has_the_tutorials_counts():
    table, parts = iris.load()
    assert table.inputs.shape == (150, 4) and table.classes == ("setosa", "versicolor", "virginica")
    assert np.bincount(table.labels[parts == TRAIN]).tolist() == [42, 36, 42]
    assert np.bincount(table.labels[parts == TEST]).tolist() == [8, 14, 8]


def test_iris_is_the_tutorials_files(raw_dir):
    files = [raw_dir / "iris" / f"iris_{part}.csv" for part in ("training", "test")]
    if not all(file.exists() for file in files):
        pytest.skip(f"needs the tutorial's two files in {raw_dir / 'iris'}")
    table, parts = iris.load()
    found, found_parts = csv_table.load(files[0], "Species", test=files[1])

    def rows(table, chosen):
        pairs = zip(table.inputs[chosen], table.labels[chosen], strict=True)
        return [(*x.tolist(), int(y)) for x, y in pairs]

    assert rows(table, list(iris.TEST_ROWS)) == rows(found, found_parts == TEST)
    assert sorted(rows(table, parts == TRAIN)) == sorted(rows(found, found_parts == TRAIN))


# ---- Tables by path


ROWS = [f"{n},{n * n / 10},{'yes' if n % 2 else 'no'}" for n in range(20)]


@pytest.fixture
def table_of(tmp_path):
    def load(lines, *arguments, **options):
        path = tmp_path / "own.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return csv_table.load(path, *arguments, **options)

    return load


def test_a_table_with_and_without_names(table_of):
    named, parts = table_of(["size,weight,good", *ROWS])
    assert named.columns == ("size", "weight") and named.classes == ("no", "yes")
    assert named.inputs.dtype == np.float32 and named.inputs[3].tolist() == [3, np.float32(0.9)]
    assert named.labels[:4].tolist() == [0, 1, 0, 1]
    assert np.bincount(parts).tolist() == [16, 0, 4]
    bare, _ = table_of(ROWS)
    assert bare.columns == ("1", "2") and (bare.inputs == named.inputs).all()
    assert bare.facts()["rows"] == named.facts()["rows"]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators(table_of, separator):
    table, _ = table_of([line.replace(",", separator) for line in ROWS])
    assert table.inputs.shape == (20, 2)


@pytest.mark.parametrize("column", ["good", "1"])
def test_the_class_is_in_any_column(table_of, column):
    lines = ["good,size", *(f"{n % 3},{n}" for n in range(30))]
    table, _ = table_of(lines, column, valid_percent=10)
    assert table.columns == ("size",) and table.classes == ("0", "1", "2")
    assert (table.labels == np.arange(30) % 3).all()


def test_classes_that_are_numbers_are_sorted_as_numbers(table_of):
    table, _ = table_of([f"{n},{(9, 10, 100)[n % 3]}" for n in range(30)])
    assert table.classes == ("9", "10", "100")


def test_the_tutorials_first_line(table_of):
    lines = ["30,1,setosa,versicolor,virginica", *(f"{n},{n % 3}" for n in range(30))]
    table, _ = table_of(lines)
    assert table.classes == ("setosa", "versicolor", "virginica") and len(table.labels) == 30


def test_a_file_of_its_own_to_test_on(table_of, tmp_path):
    (tmp_path / "test.csv").write_text("5,1,yes\n6,1,no\n")
    table, parts = table_of(ROWS, test=tmp_path / "test.csv", valid_percent=20)
    assert [int((parts == part).sum()) for part in (TRAIN, VALID, TEST)] == [16, 4, 2]
    assert table.inputs[parts == TEST].tolist() == [[5, 1], [6, 1]]
    (tmp_path / "test.csv").write_text("5,yes\n6,no\n")
    with pytest.raises(UserError, match="2 columns"):
        table_of(ROWS, test=tmp_path / "test.csv")
    (tmp_path / "test.csv").write_text("b,a,c\n5,1,yes\n6,1,no\n")
    table_of(ROWS, test=tmp_path / "test.csv")  # without names they are in the table's order
    with pytest.raises(UserError, match="put them in the same order"):
        table_of(["a,b,c", *ROWS], test=tmp_path / "test.csv")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a,b,c", *ROWS, "4,,yes"], "row 22, column b is missing"),
        (["a,b,c", *ROWS, "4,NA,yes"], "row 22, column b is missing"),
        ([*ROWS, "4,1,"], "row 21, column 3 is missing"),
        ([*ROWS, "4,green,yes"], "column 2 is 'green', no number"),
        ([*ROWS, "4,inf,yes"], "column 2 is 'inf', no number"),
        ([*ROWS, "4,1e60,yes"], "no number"),
        ([*ROWS, "4,yes"], "row 21 has 2 cells, and others have 3"),
        (["a,b,c", "", " ", *ROWS[:2], "4,yes"], "row 6 has 2 cells, and others have 3"),
        ([*ROWS, "4,1_0,yes"], "'1_0', no number"),
        ([f"{n},yes" for n in range(9)], "all rows for training are of one class"),
        ([f"{n},{n / 7}" for n in range(9)], "too many for classes"),
        (["5"], "no table of two rows"), ([""], "no table of two rows"),
        (["a,b", "1,yes"], "leave none for training"),
        ([*ROWS, "7,7,maybe"], "no row for training is of class 'maybe'"),
    ],
)  # fmt: skip
def test_tables_that_are_refused(table_of, lines, message):
    with pytest.raises(UserError, match=message):
        table_of(lines, test_percent=50.0 if "maybe" in lines[-1] else 20.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"class_column": "colour"}, "=colour: .* no such column; choose one of a, b"),
        ({"class_column": "4"}, "no such column"),
        ({"class_column": "a"}, "is 'no', no number"),
        ({"test_percent": 0.0}, "leave none for testing"),
        ({"test_percent": 60.0, "valid_percent": 60.0}, "leave none for training"),
    ],
)
def test_options_that_are_refused(table_of, arguments, message):
    with pytest.raises(UserError, match=message):
        table_of(["a,b,c", *ROWS], **arguments)


def test_a_column_twice(table_of):
    with pytest.raises(UserError, match="several columns a"):
        table_of(["a,a,c", *ROWS], "a")


# ---- Faces

NAMES = [f"{person}_{pose}_{mood}_{eyes}" for person in ("an2i", "kk49")
         for pose, mood, eyes in [("left", "sad", "open"), ("up", "happy", "sunglasses")]]
PIXELS = np.random.default_rng(0).integers(0, 256, (4, 30, 32), np.uint8)


def pgm(image):
    height, width = image.shape
    return b"P5\n%d %d\n255\n" % (width, height) + image.tobytes()


def write_folder(folder, files):
    for name, content in files.items():
        path = folder / "cmu_faces" / "faces" / name.split("_")[0] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def write_archive(folder, files):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"faces/{name.split('_')[0]}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    (folder / "cmu_faces").mkdir(exist_ok=True)
    (folder / "cmu_faces" / "faces_4.tar.xz").write_bytes(lzma.compress(stream.getvalue()))


@pytest.fixture
def small_faces(monkeypatch):
    monkeypatch.setattr(cmu_faces, "SHA256", cmu_faces.content_sum(NAMES, PIXELS))
    files = {f"{name}_4.pgm": pgm(image) for name, image in zip(NAMES, PIXELS, strict=True)}
    return files | {"an2i_right_sad_open_2.pgm": b"larger", "kk49_up_sad_open_4.bad": b"bad"}


@pytest.mark.parametrize("write", [write_folder, write_archive])
def test_faces_of_a_folder_and_of_an_archive(small_faces, tmp_path, write):
    write(tmp_path, small_faces)
    faces = cmu_faces.load("pose", tmp_path)
    assert (faces.images == PIXELS).all() and faces.labels.tolist() == [0, 3, 0, 3]
    assert faces.people.tolist() == ["an2i"] * 2 + ["kk49"] * 2
    assert cmu_faces.load("sunglasses", tmp_path).labels.tolist() == [0, 1, 0, 1]
    assert cmu_faces.load("expression", tmp_path).labels.tolist() == [2, 1, 2, 1]
    assert cmu_faces.load("person", tmp_path).classes == ("an2i", "kk49")


def test_the_published_faces(raw_dir):
    if not (raw_dir / "cmu_faces").is_dir():
        pytest.skip(f"needs the faces in {raw_dir / 'cmu_faces'}")
    faces = cmu_faces.load("pose", raw_dir)
    assert faces.images.shape == (624, 30, 32) and len(set(faces.people)) == 20
    assert np.bincount(faces.labels).tolist() == [157, 156, 155, 156]


def test_faces_that_are_refused(small_faces, tmp_path, monkeypatch):
    monkeypatch.delenv("UNFOLD_RAW_DIR", raising=False)
    with pytest.raises(UserError, match="is not downloaded: get the images from http"):
        cmu_faces.load()
    with pytest.raises(UserError, match="has neither the folder faces nor faces_4.tar.xz"):
        cmu_faces.load("pose", tmp_path)
    write_folder(tmp_path, small_faces | {"an2i_up_sad_open_4.pgm": pgm(PIXELS[0])})
    with pytest.raises(UserError, match="holds others than the 624 published"):
        cmu_faces.load("pose", tmp_path)
    write_folder(tmp_path, {"an2i_up_sad_open_4.pgm": pgm(PIXELS[0][:9])})
    with pytest.raises(UserError, match="no grey image of 32 x 30 pixels"):
        cmu_faces.load("pose", tmp_path)
    write_archive(tmp_path, small_faces)
    path = tmp_path / "cmu_faces" / "faces_4.tar.xz"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UserError, match="damaged archive"):
        cmu_faces.load("pose", tmp_path)
