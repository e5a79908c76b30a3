"""Sentence pairs: generated (`data/number_words.py`), published, and the user's own files."""

import gzip

import pytest

from data.errors import UserError
from data.number_words import in_words, random_numbers
from data.parallel_text import Pairs, load


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (19, "nineteen"),
        (20, "twenty"),
        (305, "three hundred and five"),
        (1000, "one thousand"),
        (10_042, "ten thousand and forty two"),
        (305_207, "three hundred and five thousand two hundred and seven"),
        (999_999, "nine hundred and ninety nine thousand nine hundred and ninety nine"),
    ],
)
def test_numbers_in_words(number, words):
    assert in_words(number) == words


def test_no_two_numbers_have_the_same_words():
    assert len({in_words(n) for n in range(30_000)}) == 30_000


def test_random_numbers_are_distinct_and_reproducible():
    numbers = random_numbers(5000, 0)
    assert len(set(numbers.tolist())) == 5000 and numbers.min() >= 0 and numbers.max() < 1_000_000
    assert (numbers == random_numbers(5000, 0)).all() and (numbers < 1000).mean() > 0.05


def test_training_numbers_are_not_in_the_test_part():
    corpus = load("numbers")
    train, valid, test = ({*part.targets} for part in corpus)
    assert (len(train), len(valid), len(test)) == (20_000, 500, 1_000)
    assert not train & test and not train & valid and not valid & test


def two_files(folder, source, target):
    paths = folder / "s.txt", folder / "t.txt"
    for path, content in zip(paths, (source, target), strict=True):
        path.write_bytes(content)
    return ",".join(map(str, paths))


def test_two_files(tmp_path, caplog):
    source = "".join(f"Quelle {n}\n" for n in range(100)).encode()
    target = b"".join(b"\n" if n == 3 else b"target %d\r\n" % n for n in range(100))
    corpus = load(two_files(tmp_path, source, target), valid_percent=10, test_percent=10)
    assert corpus.test.sources[-1] == "Quelle 99" and corpus.test.targets[-1] == "target 99"
    assert [len(part.sources) for part in corpus] == [79, 10, 10]
    assert "Quelle 3" not in corpus.train.sources
    assert "1 of 100 pairs have an empty side and are left out" in caplog.text
    other = load(two_files(tmp_path, source, target[:-1] + b"x\n"))
    assert other.fingerprint != corpus.fingerprint
    (tmp_path / "s.gz").write_bytes(gzip.compress(source))
    packed = load(f"{tmp_path / 's.gz'},{tmp_path / 't.txt'}")
    assert packed.train.sources == other.train.sources


def test_pairs_in_one_file_with_tabs(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"a {n}\tb {n}\tCC-BY {n}\n" for n in range(20)) + "\n")
    corpus = load(str(path), valid_percent=10, test_percent=10)
    assert [len(part.sources) for part in corpus] == [16, 2, 2]
    assert corpus.test == Pairs(["a 18", "a 19"], ["b 18", "b 19"])
    path.write_text("a\tb\nc d\n")
    with pytest.raises(UserError, match="line 2 has no tab between a sentence and its translation"):
        load(str(path))


@pytest.mark.parametrize("dataset", ["own", "numbers"])
def test_parts_may_be_files_of_their_own(dataset, tmp_path):
    tabs, empty = tmp_path / "v.tsv", tmp_path / "empty.tsv"
    tabs.write_text("v 1\tw 1\n")
    empty.write_text("\n")
    test = two_files(tmp_path, b"s 1\ns 2\n", b"t 1\nt 2\n")
    path = tmp_path / "all.tsv"
    path.write_text("".join(f"a {n}\tb {n}\n" for n in range(20)))
    dataset = str(path) if dataset == "own" else dataset
    corpus = load(dataset, valid=str(tabs), test=test)
    assert corpus.valid == Pairs(["v 1"], ["w 1"])
    assert corpus.test == Pairs(["s 1", "s 2"], ["t 1", "t 2"])
    assert len(corpus.train.sources) == (20 if dataset == str(path) else 20_000)
    other = load(dataset, test=test, valid_percent=10)
    assert other.test == corpus.test and other.fingerprint != corpus.fingerprint
    with pytest.raises(UserError, match="--test=.*empty.tsv has no pairs"):
        load(dataset, test=str(empty))
    with pytest.raises(UserError, match="--valid=a,b,c: give two files"):
        load(dataset, valid="a,b,c")


@pytest.mark.parametrize(
    ("source", "target", "sentence"),
    [
        (b"a\nb\n", b"a\n", "2 lines but .* has 1"),
        (b"a\nb\xff\n", b"a\nb\n", "line 2 is not UTF-8 text .byte 2 of the line is 0xff"),
        (b"", b"", "0 pairs without an empty side"),
        (b"a\n\n", b"\nb\n", "0 pairs"),
    ],
)
def test_wrong_files(source, target, sentence, tmp_path):
    with pytest.raises(UserError, match=sentence):
        load(two_files(tmp_path, source, target))


@pytest.mark.parametrize(
    ("dataset", "sentence"),
    [("words", "choose numbers, multi30k"), ("./a,./b,./c", "give two files, source and target"),
     ("./no.tsv", "cannot be read"),
     ("./no,./such", "cannot be read")],
)  # fmt: skip
def test_wrong_names(dataset, sentence):
    with pytest.raises(UserError, match=sentence):
        load(dataset)


def test_multi30k(raw_dir):
    corpus = load("multi30k", source="de", target="en", raw_dir=str(raw_dir))
    assert [len(part.sources) for part in corpus] == [29_000, 1_014, 1_000]
    assert corpus.train.sources[0].startswith("Zwei junge weiße Männer")
    assert corpus.train.targets[0].startswith("Two young, White males")
    with pytest.raises(UserError, match="two languages"):
        load("multi30k", source="en", target="en")
    with pytest.raises(UserError, match="choose one of en, de, fr"):
        load("multi30k", source="it", target="en")
