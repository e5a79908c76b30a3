"""The translation's command: a tiny run from end to end, resumed, decoded, and misused."""

import contextlib
import dataclasses
import importlib.util
import io
import json
import logging
import types

import jax
import numpy as np
import pytest

from data.errors import UserError
from data.parallel_text import Corpus, Pairs
from data.vocabulary import build
from experiments import translate
from experiments.runtime.command_line import main
from experiments.translation import report as translate_report
from experiments.translation.decode import Decode, decode, restore_translator, unknown_words
from experiments.translation.net import make_model
from experiments.translation.pairs import Sentences, make_vocabularies
from experiments.translation.scores import scores, signatures, tokenizer_for
from experiments.translation.translator import width_for

SMALL = ("--hidden=4", "--embedding=3", "--batch_size=8", "--num_steps=6", "--eval_every=3",
         "--checkpoint_every=3", "--steps_per_call=2", "--beam=2", "--valid_percent=10",
         "--test_percent=10", "--learning_rate=0.03", "--target_unit=words")  # fmt: skip
DIGITS = "one two three four five <six>".split()
HOSTILE = "<img src=x onerror=alert(1)>"
pytestmark = pytest.mark.usefixtures("quick_compilation")


def write_pairs(folder):
    """120 pairs: words to numerals, of one word or four: two shapes of batches."""
    random = np.random.default_rng(0)
    rows = [random.integers(0, 6, random.choice([1, 4])) for _ in range(120)]
    lines = {"s": [" ".join(DIGITS[n] for n in row) for row in rows],
             "t": [" ".join(str(n + 1) for n in row) + "." for row in rows]}  # fmt: skip
    for name, text in lines.items():
        (folder / f"{name}.txt").write_text("".join(line + "\n" for line in text))
    return f"--dataset={folder / 's.txt'},{folder / 't.txt'}"


def run_main(patch, *words):
    patch.setattr("sys.argv", ["translate", *map(str, words)])
    return main(translate.PRESETS, translate.run, {"decode": (Decode(), decode)})


@pytest.fixture
def command(monkeypatch, capfdbinary):
    """Runs the command with these words; returns (status, standard output, standard error)."""

    def run(*words, stdin=b""):
        capfdbinary.readouterr()
        monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BytesIO(stdin)))
        status = run_main(monkeypatch, *words)
        return status, *capfdbinary.readouterr()

    return run


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """The folder of a finished run, not to be changed."""
    folder = tmp_path_factory.mktemp("translate")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(translate_report, "ATTENTION_MAPS", 1)  # each compiles anew
        assert run_main(patch, *SMALL, write_pairs(folder), f"--workdir={folder / HOSTILE}") == 0
    return folder / HOSTILE


def test_a_run_ends_with_scores_and_a_report(run_dir, assert_shown_as_text):
    result = json.loads((run_dir / "result.json").read_text())
    assert {"test_bleu", "test_bleu_lowercased", "test_perplexity", "test_exact_match_percent",
            "valid_perplexity"} <= {*result["metrics"]}  # fmt: skip
    rows = [json.loads(row) for row in (run_dir / "metrics.jsonl").read_text().splitlines()]
    perplexities = [row["perplexity"] for row in rows if row["split"] == "valid"]
    assert perplexities[-1] < perplexities[0]
    page = (run_dir / "report.html").read_text()
    for words in ("BLEU by length", "Attention", "Sentence vectors", "reference", "nrefs:1"):
        assert words in page
    assert_shown_as_text(run_dir / "report.html", "<six>")


@pytest.mark.thorough
def test_other_forms_run_too(run_dir, tmp_path, command, monkeypatch):
    monkeypatch.setattr(translate_report, "write", lambda *_: None)
    folder = run_dir.parent
    status, out, error = command(
        *SMALL, "--preset=reversal", f"--dataset={folder / 's.txt'},{folder / 't.txt'}",
        "--source_unit=words", "--compare", f"--workdir={tmp_path / 'run'}",
    )  # fmt: skip
    assert status == 0, error
    both = json.loads((tmp_path / "run" / "result.json").read_text())["metrics"]
    twin = json.loads((tmp_path / "run" / "forward" / "result.json").read_text())["metrics"]
    assert both["test_perplexity_forward_source"] == twin["test_perplexity"]
    assert both["test_perplexity"] != twin["test_perplexity"] and b"nrefs:1" in out


def test_a_test_file_is_read_and_has_no_published_figures(tmp_path):
    (tmp_path / "p.tsv").write_text("One\t1\nTwo\t2\n")
    config = dataclasses.replace(translate.Config(), test=str(tmp_path / "p.tsv"), lowercase=True)
    assert translate.corpus_of(config).test == Pairs(["one", "two"], ["1", "2"])
    paper = translate.PRESETS["paper-lstm"]
    assert translate.published(paper)
    assert not translate.published(dataclasses.replace(paper, test=config.test))


def test_pairs_left_out_are_counted_in_the_units_of_their_sides():
    pairs = Pairs(["one two", "one two three", "one"], ["12.", "123.", "1."])
    config = dataclasses.replace(translate.Config(), source_unit="words", target_unit="characters")
    vocabularies = make_vocabularies(config, pairs)
    corpus = Corpus(pairs, pairs, pairs)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert Sentences.of(corpus, vocabularies, False, 4)[1] == corpus
        assert out.getvalue() == ""
        sentences, shorter = Sentences.of(corpus, vocabularies, False, 3)
    assert shorter == corpus._replace(train=Pairs(["one two", "one"], ["12.", "1."]))
    assert sentences.train.lengths.tolist() == [[3, 4], [2, 3]]
    assert [len(row) for row in map(sentences.train.sources.__getitem__, (0, 1))] == [3, 2]
    assert out.getvalue() == (
        "1 of 3 training pairs have more than 3 words in the source or 3 characters in the target "
        "and are left out (--longest=3)\n"
    )


def test_a_limit_of_the_vocabulary_limits_words_too(capsys):
    pairs = Pairs(["one two", "one three", "one two"], ["1", "2", "1"])
    config = dataclasses.replace(translate.Config(), vocabulary=6, target_unit="words")
    vocabularies = make_vocabularies(config, pairs)
    assert vocabularies.source.pieces[4:] == (" one", " two") and len(vocabularies.target) == 6
    assert "source: 6 of 7 words are known (--vocabulary=6)" in capsys.readouterr().out
    paper = translate.PRESETS["paper-lstm"]
    assert len(make_vocabularies(dataclasses.replace(paper, least_count=1), pairs).source) == 7


def test_one_line_out_for_one_line_in(run_dir, command):
    lines = [b"one two", b"", b"unheard of words", b"   ", b"six " * 500, b"\r",
             "Straße 雪\u2028x".encode()]  # fmt: skip
    status, out, error = command("decode", f"--workdir={run_dir}", stdin=b"\n".join(lines))
    assert status == 0, error
    written = out.split(b"\n")
    assert len(written) == len(lines) + 1 and written[-1] == b""
    assert written[1] == written[3] == written[5] == b""
    assert written[0] and b"<s>" not in out and b"<pad>" not in out
    # a line does not depend on the others of its batch
    assert command("decode", f"--workdir={run_dir}", stdin=lines[0])[1] == written[0] + b"\n"
    assert command("decode", f"--workdir={run_dir}", stdin=b"")[1] == b""
    # nor on a byte order mark
    marked = b"\xef\xbb\xbf" + lines[0]
    assert command("decode", f"--workdir={run_dir}", stdin=marked)[1] == written[0] + b"\n"


def test_sacrebleu_warns_once(caplog):
    for once in logging.getLogger("sacrebleu").filters:
        once.seen.clear()  # other tests
    lines = [f"word {'w' * n} ." for n in range(200)]
    config = types.SimpleNamespace(bleu_tokenizer="13a", target_unit="words")
    for _ in range(2):
        scores(config, lines, lines)
    assert caplog.text.count("tokenized period") == 1


def test_unknown_words_are_named_once(run_dir, command):
    lines = "one two\nzwei one zwei drei\n\nfour\x1b2 drei\n"
    status, out, error = command("decode", f"--workdir={run_dir}", stdin=lines.encode())
    assert status == 0 and out.count(b"\n") == 4
    assert error.decode().splitlines() == [
        "line 2: not in the vocabulary, and read as <unk>: zwei drei",
        r"line 4: not in the vocabulary, and read as <unk>: \x1b 2",
        "the net of step 6",
    ]
    quiet = command("decode", f"--workdir={run_dir}", stdin=b"one two\n")[2]
    assert quiet.decode() == "the net of step 6\n"


@pytest.mark.parametrize("unit", ["characters", "subwords"])
def test_unknown_characters_are_named(unit):
    source = build(["one two three"] * 20, unit, 14, 1)
    found = list(unknown_words(source, ["one", "tree 雪x", "雪x two"]))
    assert found == [(2, ["雪", "x"] if unit == "characters" else ["雪x"])]


def test_the_n_best_have_their_scores(run_dir, command):
    words = ("decode", f"--workdir={run_dir}", "--beam=4", "--nbest=3", "--length_power=0")
    out = command(*words, stdin=b"one two\n\n")[1].decode().splitlines()
    rows = [line.split(" ||| ") for line in out]
    assert [row[0] for row in rows] == ["0"] * 3 + ["1"] and rows[3][1] == ""
    numbers = [float(row[2]) for row in rows[:3]]
    assert numbers == sorted(numbers, reverse=True) and numbers[0] < 0
    best = command("decode", f"--workdir={run_dir}", "--beam=4", "--length_power=0",
                   stdin=b"one two")[1].decode()  # fmt: skip
    assert best.strip() == rows[0][1]


@pytest.mark.parametrize(
    ("words", "stdin", "sentence"),
    [
        ([], b"one\ntwo \xff\n", "the input, line 2 is not UTF-8"),
        (["--nbest=9"], b"", "a larger --beam"),
        (["--beam=0"], b"", "give 1 or more"),
        (["--workdir=/nowhere/at/all"], b"", "has no sound checkpoint"),
        (["--size=3"], b"", "Unknown command line flag"),
    ],
)
def test_wrong_decoding(words, stdin, sentence, run_dir, command):
    status, out, error = command("decode", f"--workdir={run_dir}", *words, stdin=stdin)
    error = error.decode()
    assert (status, out) == (2, b"") and sentence in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--dataset=./only.de"], "give two text files by --dataset"),
        (["--longest=1"], "every training pair is longer"),
        (["--form=tree"], "choose one of"),
        (["--least_count=1000"], "occurs 1000 times"),
        (["--seed=5"], "another configuration"),
    ],
)
def test_wrong_flags(words, sentence, run_dir, command):
    folder = run_dir.parent
    given = f"--dataset={folder / 's.txt'},{folder / 't.txt'}"
    status, _, error = command(*SMALL, given, f"--workdir={run_dir}", *words)
    error = error.decode()
    assert status == 2 and error.count("\n") == 1
    assert sentence in error


@pytest.mark.thorough
def test_cut_it_ends_with_the_same_bytes(run_dir, tmp_path, command, monkeypatch, cut_at):
    monkeypatch.setattr(translate_report, "write", lambda *_: None)
    folder = run_dir.parent
    flags = (*SMALL, f"--dataset={folder / 's.txt'},{folder / 't.txt'}",
             f"--workdir={tmp_path / 'cut'}")  # fmt: skip

    with cut_at(4):
        assert command(*flags)[0] == 143
    status, out, _ = command(*flags)
    assert status == 0 and b"resuming at step" in out
    a, b = (restore_translator(str(path)).params for path in (run_dir, tmp_path / "cut"))
    for x, y in zip(translate.jax.tree.leaves(a), translate.jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


def test_signatures_state_how_scores_were_computed():
    words = types.SimpleNamespace(target_unit="words", bleu_tokenizer="13a")
    lines = ["the cat sat on the mat ."]
    found = scores(words, ["The cat sat on the mat ."], lines)
    assert found["bleu_lowercased"] == pytest.approx(100) and found["bleu"] < 100
    assert found["exact_match_percent"] == 0
    assert "case:mixed" in signatures(words)[0] and "case:lc" in signatures(words)[1]
    characters = types.SimpleNamespace(target_unit="characters", bleu_tokenizer="char")
    assert scores(characters, ["1234"], ["1234"])["bleu"] == pytest.approx(100)
    assert "tok:char" in signatures(characters)[0]


CHINESE, JAPANESE = "猫坐在垫子上，看着窗外的 2 只鸟。", "猫はマットの上に座って外を見ている。"


@pytest.mark.parametrize(
    ("reference", "tokenizer"),
    [
        ("The cat sat on the mat.", "13a"),
        (CHINESE, "zh"),
        (JAPANESE, "char"),
        ("แมวนั่งบนเสื่อ", "char"),
        ("고양이가 매트 위에 앉았다.", "13a"),
        ("305207", "char"),
        ("He said 你好 and left.", "13a"),
    ],
)
def test_the_script_decides_the_tokenizer(reference, tokenizer):
    config = dataclasses.replace(translate.Config(), target_unit="subwords")
    assert tokenizer_for(config, [reference]) == tokenizer
    chosen = dataclasses.replace(config, bleu_tokenizer=tokenizer)
    assert f"tok:{tokenizer}" in signatures(chosen)[0]


@pytest.mark.parametrize("reference", [CHINESE, JAPANESE])
def test_bleu_of_nearly_perfect_text_without_spaces_is_high(reference):
    translations = [reference[:-2] + reference[-1]] * 20  # a character is missing
    for tokenizer, (least, most) in {"auto": (75, 100), "13a": (0, 1)}.items():
        config = dataclasses.replace(translate.Config(), bleu_tokenizer=tokenizer)
        chosen = tokenizer_for(config, [reference] * 20)
        config = dataclasses.replace(config, bleu_tokenizer=chosen)
        assert least <= scores(config, translations, [reference] * 20)["bleu"] <= most


def test_a_tokenizer_may_be_named_and_needs_its_package():
    config = dataclasses.replace(translate.Config(), bleu_tokenizer="intl")
    assert tokenizer_for(config, ["\u732b"]) == "intl"
    if importlib.util.find_spec("MeCab"):
        pytest.skip("MeCab is installed")
    config = dataclasses.replace(config, bleu_tokenizer="ja-mecab")
    with pytest.raises(UserError, match=r"pip install 'sacrebleu\[ja\]'"):
        tokenizer_for(config, ["\u732b"])


def test_few_widths_are_compiled():
    widths = [width_for(n) for n in range(1, 600)]
    assert all(width >= n for n, width in enumerate(widths, 1)) and len({*widths}) == 9


def test_figures_are_published_for_the_baseline_s_own_net_only():
    config = translate.PRESETS["paper-attention"]
    assert translate.published(config)["test_bleu_lowercased"].value == 28.30
    assert not translate.published(translate.dataclasses.replace(config, hidden=9))
    assert not translate.published(translate.PRESETS["cpu"])


# The counts that the open baselines state, including PyTorch's second bias vectors.
@pytest.mark.parametrize(
    ("preset", "published", "second_biases"),
    [
        ("paper-lstm", 13_898_501, 4 * 4 * 512),
        ("paper-gru", 14_219_781, 2 * 2 * 512),  # d of the candidate is one of the six
        ("paper-attention", 20_518_405, 3 * 2 * 512),
    ],
)
def test_parameter_counts_of_the_open_baselines(preset, published, second_biases):
    model = make_model(translate.PRESETS[preset], 7853, 5893)
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == published - second_biases


def test_a_source_that_comes_again_is_shown_once():
    sources = ["one", "two", "one", "three"]
    pairs = Pairs(sources, [source.upper() for source in sources])
    rows = translate_report.examples(pairs, ["1", "2", "1", "3"]).table.rows
    assert [row[:2] for row in rows] == [("1", "one"), ("2", "two"), ("4", "three")]
