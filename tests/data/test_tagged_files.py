"""Files of labelled words: all formats, common mistakes, and `data/tagged_corpora.py`."""

import gzip

import pytest

from data import tagged_corpora
from data.errors import UserError
from data.sentences import Sentences
from data.tagged_files import parsed, read_tagged

TWO = Sentences([["He", "runs"], ["Stop"]], [["A", "B"], ["C"]])
CONLLU = """# sent_id = 1
# text = He'll run
1-2\tHe'll\t_\t_\t_\t_\t_\t_\t_\t_
1\tHe\the\tPRON\tPRP\t_\t0\troot\t_\t_
2\t'll\twill\tAUX\tMD\t_\t0\troot\t_\t_
2.1\tquickly\t_\t_\t_\t_\t_\t_\t_\t_
3\trun\trun\tVERB\tVB\t_\t0\troot\t_\t_

"""


@pytest.mark.parametrize(
    "text",
    [
        "He A\nruns B\n\nStop C\n",
        "He A\r\nruns B\r\n\r\nStop C",
        "\ufeffHe\tA\nruns\tB\n\n\n\nStop\tC\n\n",
        "-DOCSTART- X\n\nHe A\nruns B\n \nStop C\n",
        "He/A runs/B\nStop/C\n",
        "He/A runs/B\r\n\r\nStop/C\r\n",
    ],
)
def test_formats(text):
    assert parsed(text.encode(), "file")[:2] == TWO[:2]


def test_columns_are_counted_from_one():
    text = b"He x A p\nruns y B q\n\nStop z C r\n"
    assert parsed(text, "file", token=1, label=3)[:2] == TWO[:2]
    found = parsed(text, "file", label=3, feature=2)
    assert found.features == [["x", "y"], ["z"]]
    assert parsed(text, "file").labels == [["p", "q"], ["r"]]


def test_universal_dependencies():
    found = parsed(CONLLU.encode(), "mine.conllu")
    assert found.words == [["He", "'ll", "run"]] and found.labels == [["PRON", "AUX", "VERB"]]
    assert parsed(CONLLU.encode(), "mine.conllu", label=5).labels == [["PRP", "MD", "VB"]]


def test_a_word_may_contain_a_slash():
    assert parsed(b"1/2/CD of/IN\n", "file").words == [["1/2", "of"]]


def test_a_hash_is_a_word_in_columns():
    assert parsed(b"# #\n5 CD\n", "file").words == [["#", "5"]]


@pytest.mark.parametrize(
    ("content", "options", "sentence"),
    [
        (b"", {}, "file is empty"),
        (b"\n \n\r\n", {}, "file is empty"),
        (b"a A\nb B\n\nc\n", {}, "file, line 4 has 1 columns but line 1 has 2"),
        (b"a A\nb B x\n", {}, "file, line 2 has 3 columns"),
        (b"a\nb\n", {"form": "columns"}, "line 1 has 1 columns"),
        (b"a A\n", {"label": 3}, "column 3 was requested; see --token_column"),
        (b"a\t\n", {}, "file, line 1 has an empty column"),
        (b"a A\n\xff B\n", {}, "file, line 2 is not UTF-8"),
        (b"a/A b/B\nc/C d\n", {}, "file, line 2: 'd' is not word/LABEL"),
        (b"a/A\nb/\n", {}, "file, line 2: 'b/' is not word/LABEL"),
        (b"# only a comment\n", {"form": "conllu"}, "no labelled word"),
    ],
)
def test_broken_files_are_refused_by_name_and_line(content, options, sentence):
    with pytest.raises(UserError, match=sentence) as error:
        parsed(content, "file", **options)
    assert "\n" not in str(error.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_tagged(tmp_path / "none.txt")
    with pytest.raises(UserError, match="choose grammar"):
        tagged_corpora.load("shopping")


def test_a_file_is_split_in_three_and_a_folder_is_used_as_it_is(tmp_path):
    lines = "".join(f"w{n} {'AB'[n % 2]}\n\n" for n in range(50))
    (tmp_path / "one.txt").write_text(lines)
    corpus = tagged_corpora.load(str(tmp_path / "one.txt"))
    assert [len(part.words) for part in corpus[:3]] == [40, 5, 5]
    assert corpus.test.words == [[f"w{n}"] for n in range(45, 50)]
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "train.txt").write_text(lines)
    with pytest.raises(UserError, match=r"has no test file"):
        tagged_corpora.load(str(folder))
    (folder / "test.txt").write_text("x A\n")
    corpus = tagged_corpora.load(str(folder))
    assert [len(part.words) for part in corpus[:3]] == [45, 5, 1]
    (folder / "dev.txt").write_text("y B\n")
    assert tagged_corpora.load(str(folder)).valid.words == [["y"]]
    (folder / "valid.txt").write_text("y B\n")
    with pytest.raises(UserError, match="are both a valid file; remove one"):
        tagged_corpora.load(str(folder))


@pytest.mark.parametrize(
    "names",
    [
        ("eng.train", "eng.testa", "eng.testb"),  # CoNLL-2003
        ("en_ewt-ud-train.conllu", "en_ewt-ud-dev.conllu", "en_ewt-ud-test.conllu"),
        ("TRAIN.txt", "val.txt", "Test.txt"),
        ("wnut17train.conll", "x.validation.tsv", "y_test.txt.gz"),
        ("train.txt", "dev.txt", "test.txt", "train-notes.txt", "README", ".test.swp"),
    ],
)
def test_the_parts_are_found_by_the_usual_names(names, tmp_path):
    for name, word in zip(names, "abcxyz", strict=False):
        text = f"1\t{word}\t_\tA\n" if name.endswith("conllu") else f"{word} A\n"
        pack = gzip.compress if name.endswith(".gz") else bytes
        (tmp_path / name).write_bytes(pack(text.encode()))
    if names[0] == "wnut17train.conll":  # no word of its own
        with pytest.raises(UserError, match="no train file; its name must contain one of .* train"):
            tagged_corpora.load(str(tmp_path))
        return
    corpus = tagged_corpora.load(str(tmp_path))
    assert [part.words for part in corpus[:3]] == [[["a"]], [["b"]], [["c"]]]


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (("eng.train", "eng.testa"), "no test file; .* test, testb, as test.txt and eng.testb do"),
        (("deu.train", "eng.train", "x.test"), "deu.train and .*eng.train are both a train file"),
        (("train.txt", "train-test.txt"), "train-test.txt is both a train and a test file"),
    ],
)
def test_parts_that_are_not_found_or_not_clear(names, sentence, tmp_path):
    for name in names:
        (tmp_path / name).write_text("a A\n")
    with pytest.raises(UserError, match=sentence):
        tagged_corpora.load(str(tmp_path))

