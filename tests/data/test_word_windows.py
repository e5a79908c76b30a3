"""What word2vec reads: subsampling, contexts within sentences, negatives, Huffman's tree."""

import itertools

import numpy as np
import pytest

from data.text_stream import WordStream, word_stream
from data.word_windows import SENTENCE, Windows, draw_pass, huffman, keep_probabilities

OPTIONS = dict(window=3, sample=0.0, block=4, rows=2, shared=3, tree=False, seed=0)


def stream(codes, line_ends=(), words=None):
    codes = np.asarray(codes)
    counts = np.bincount(codes, minlength=words or 0)
    names = tuple(f"w{n}" for n in range(len(counts)))
    return WordStream(codes, np.asarray(line_ends, np.int64), names, counts, len(codes))


def test_frequent_words_are_kept_by_the_programs_rule():
    counts = np.array([9000, 990, 10])
    keep = keep_probabilities(counts, 1e-2)
    f = 0.9 / 1e-2
    assert keep[0] == pytest.approx((np.sqrt(f) + 1) / f) and keep[2] == 1
    assert (keep_probabilities(counts, 0) == 1).all()
    text = stream(np.repeat([0, 1, 2], counts))
    drawn = draw_pass(text, keep, 3, np.random.default_rng(0))
    assert np.bincount(drawn.codes) / counts == pytest.approx(keep, rel=0.1)


def test_contexts_stay_within_lines_and_sentences():
    """Every context, by going through the words one by one."""
    random = np.random.default_rng(1)
    text = stream(random.integers(0, 50, 5000), [3, 4, 40, 4100])
    keep = np.where(np.arange(50) < 5, 0.3, 1.0)
    drawn = draw_pass(text, keep, 6, np.random.default_rng(2))
    kept = np.random.default_rng(2).random(5000, np.float32) < keep.astype(np.float32)[text.codes]
    line = np.searchsorted(text.line_ends, np.flatnonzero(kept), side="right")
    sentences = [(n, i // SENTENCE) for n, words in itertools.groupby(line)
                 for i, _ in enumerate(words)]  # fmt: skip
    assert len({*sentences}) == 3 + 4 + 1 and len(sentences) == len(drawn.codes)
    reach = np.maximum(drawn.left, drawn.right).astype(int)
    for i, (left, right) in enumerate(zip(drawn.left, drawn.right, strict=True)):
        inside = [j for j in range(max(0, i - reach[i]), min(i + reach[i] + 1, len(line)))
                  if sentences[j] == sentences[i]]  # fmt: skip
        assert (i - left, i + right) == (inside[0], inside[-1])
    assert set(reach[100:900]) == {1, 2, 3, 4, 5, 6}


def test_every_word_is_read_once_a_pass_with_its_context():
    """Word n is n itself, so that each block says where it is from."""
    text = stream(np.arange(101), [50])
    windows = Windows(text, **OPTIONS)
    steps = windows.steps_in_a_pass
    blocks = windows.blocks(0, steps)
    width = OPTIONS["window"]
    assert blocks.words.shape == (steps, 2, 4 + 2 * width) and steps == 13
    seen = []
    rows = (xs.reshape(-1, xs.shape[-1]) for xs in blocks[:3])
    for words, left, right in zip(*rows, strict=True):
        for i in range(4):
            word = words[width + i]
            if left[i] or right[i]:
                seen.append(word)
                near = words[width + i - left[i] : width + i + right[i] + 1]
                assert near.tolist() == list(range(word - left[i], word + right[i] + 1))
                assert (near < 50).all() or (near >= 50).all()
    assert sorted(seen) == list(range(101))
    assert blocks.words[0, :, width].tolist() == [0, 13 * 101 // 26]  # each row has its own half


@pytest.mark.parametrize("changes", [{}, {"sample": 0.01, "tree": True}, {"shared": 0}])
def test_blocks_depend_on_seed_and_step_alone(changes):
    text = stream(np.random.default_rng(0).integers(0, 20, 500))
    make = lambda **more: Windows(text, **OPTIONS | changes | more)  # noqa: E731
    whole = make().blocks(0, 300)
    cuts = [make().blocks(first, count) for first, count in ((0, 7), (7, 150), (157, 143))]
    for one, *parts in zip(whole, *cuts, strict=True):
        assert (one == np.concatenate(parts)).all()
    other = make(seed=1).blocks(0, 300)
    assert (whole.left != other.left).any()
    steps = make().steps_in_a_pass
    assert (whole.left[:steps] != whole.left[steps : 2 * steps]).any()  # drawn anew in each pass


def test_negatives_are_drawn_by_frequency_to_the_three_quarters():
    text = stream(np.repeat([0, 1, 2], [800, 150, 50]))
    drawn = Windows(text, **OPTIONS | {"shared": 50}).blocks(0, 400).negatives
    expected = text.counts**0.75 / (text.counts**0.75).sum()
    assert np.bincount(drawn.ravel()) / drawn.size == pytest.approx(expected, rel=0.05)


def test_huffmans_tree_is_the_shortest_code():
    counts = np.array([40, 30, 15, 10, 5])
    tree = huffman(counts)
    lengths = abs(tree.turns).sum(1)
    assert lengths.tolist() == [1, 2, 3, 4, 4] and (tree.nodes[:, 0] == 3).all()
    assert (0.5 ** lengths.astype(float)).sum() == 1  # every turn leads to a word
    paths = [tuple((tree.nodes[w, :n] * tree.turns[w, :n] + 10 * tree.turns[w, :n]).tolist())
             for w, n in enumerate(lengths)]  # fmt: skip
    assert not any(a != b and b[: len(a)] == a for a in paths for b in paths)


def test_a_text_of_which_nothing_is_left_has_steps_without_words():
    text = word_stream(["a b a b"], tokens="blanks", lowercase=True, least=1, name="x")
    windows = Windows(text, **OPTIONS | {"sample": 1e-12})
    blocks = windows.blocks(0, 5)
    assert windows.steps_in_a_pass == 1 and blocks.left.shape == (5, 2, 4)
    assert not blocks.left.any()
