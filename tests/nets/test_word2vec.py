"""word2vec's losses and update against the authors' program, prediction by prediction."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nets.word2vec import Block, Word2vec, path_surprise, surprise

V, D, T, WINDOW, M, L, K = 11, 4, 5, 2, 3, 3, 6
RATE = 0.05
FORMS = pytest.mark.parametrize(
    ("cbow", "negative", "tree"),
    [(cbow, *form) for cbow in (False, True) for form in ((K, False), (0, True), (K, True))],
)


def random_block(seed=0, blocks=2):
    """Blocks [B, ...] at whose ends, and in whose middle, a sentence ends."""
    random = np.random.default_rng(seed)
    left = np.minimum(random.integers(1, WINDOW + 1, (blocks, T)), [0, 1, 2, 0, 1])
    right = np.minimum(random.integers(1, WINDOW + 1, (blocks, T)), [2, 1, 0, 1, 0])
    left[0, 3:] = right[0, 3:] = 0  # padding, or a sentence of one word
    turns = random.choice([-1, 1], (blocks, T, L))
    turns[:, :, -1] *= random.integers(0, 2, (blocks, T))  # paths of two lengths
    words = random.integers(0, V, (blocks, T + 2 * WINDOW))
    words[0, WINDOW] = 7
    negatives = random.integers(0, V, (blocks, M))
    negatives[0, 0] = 7  # a drawn word that is a target
    return Block(words, left, right, negatives, random.integers(0, V - 1, (blocks, T, L)), turns)


def logistic(x):
    return 1 / (1 + np.exp(-x))


def the_programs_update(params, blocks, cbow):
    """The changes of all tables and the loss, as word2vec.c makes them, without its hurry."""
    params = {name: np.asarray(table, np.float64) for name, table in params.items()}
    change = {name: np.zeros_like(table) for name, table in params.items()}
    loss, predictions = 0.0, 0
    for b in range(len(blocks.words)):
        block = Block(*(x[b] for x in blocks))
        for i in range(T):
            at = WINDOW + i
            near = [block.words[j] for j in range(at - block.left[i], at + block.right[i] + 1)
                    if j != at]  # fmt: skip
            for inputs in ([near] if near else []) if cbow else [[word] for word in near]:
                hidden = params["words"][inputs].mean(0)
                error = np.zeros(D)
                predictions += 1
                for table, row, label, weight in outputs_of(block, i, params):
                    p = logistic(params[table][row] @ hidden)
                    loss -= weight * np.log(p if label else 1 - p)
                    g = weight * (label - p) * RATE
                    error += g * params[table][row]
                    change[table][row] += g * hidden
                for word in inputs:
                    change["words"][word] += error
    return change, loss, predictions


def outputs_of(block, i, params):
    """(table, row, label, weight) of all that a word is told from."""
    if "outputs" in params:
        target = block.words[WINDOW + i]
        yield "outputs", target, 1, 1.0
        for drawn in block.negatives:
            if drawn != target:
                yield "outputs", drawn, 0, K / M
    if "nodes" in params:
        for node, turn in zip(block.nodes[i], block.turns[i], strict=True):
            if turn:
                yield "nodes", node, turn > 0, 1.0


def updated(model, params, blocks):
    """The parameters after one step of gradient descent, and the loss, as a run makes it."""
    indices = model.indices(blocks)
    rows = {name: params[name][where] for name, where in indices.items()}
    sums, grads = model.gradient(rows, blocks)
    return model.moved(params, indices, grads, RATE), sums


@FORMS
def test_an_update_is_that_of_the_authors_program(cbow, negative, tree, drawn):
    model, blocks = Word2vec(V, D, cbow, negative, tree), random_block()
    params = drawn(model.init)
    moved, sums = updated(model, params, blocks)
    change, loss, predictions = the_programs_update(params, blocks, cbow)
    assert int(sums.predictions) == predictions > 0
    assert float(sums.loss) == pytest.approx(loss, rel=1e-5)
    for name in params:
        np.testing.assert_allclose(moved[name] - params[name], change[name], atol=1e-5)
        assert abs(change[name]).max() > 1e-3


@pytest.mark.parametrize(("negative", "tree"), [(K, False), (0, True)])
def test_skip_grams_update_is_the_gradient_of_its_loss(negative, tree, drawn):
    """Of the loss of all tables whole, by automatic differentiation."""
    model, blocks = Word2vec(V, D, False, negative, tree), random_block(1)
    params = drawn(model.init)

    def whole(params):
        rows = {name: params[name][where] for name, where in model.indices(blocks).items()}
        return jax.vmap(model.loss)(rows, blocks).loss.sum()

    gradient = jax.grad(whole)(params)
    moved, _ = updated(model, params, blocks)
    for name in params:
        np.testing.assert_allclose(moved[name], params[name] - RATE * gradient[name], atol=1e-6)


def test_sharing_drawn_words_keeps_the_expected_loss(drawn):
    """The mean over many blocks with M shared words is that of K words for each prediction."""
    model = Word2vec(V, D, False, K, False)
    params, block = drawn(model.init), jax.tree.map(lambda x: x[1:], random_block(2))
    negatives = np.random.default_rng(0).integers(0, V, (4000, M))
    rows = {"words": params["words"][block.words]}
    outputs = params["outputs"]
    many = jax.vmap(lambda n: model.loss(
        {"words": rows["words"][0],
         "outputs": jnp.concatenate([outputs[block.words[0, WINDOW : WINDOW + T]], outputs[n]])},
        Block(*(x[0] for x in block))._replace(negatives=n)).loss)(negatives)  # fmt: skip
    expected = 0.0
    for i in range(T):
        at, target = WINDOW + i, block.words[0, WINDOW + i]
        for j in range(at - block.left[0, i], at + block.right[0, i] + 1):
            if j != at:
                scores = np.asarray(outputs @ params["words"][block.words[0, j]], np.float64)
                others = np.arange(V) != target
                expected -= np.log(logistic(scores[target]))
                expected -= K * np.log(logistic(-scores[others])).sum() / V
    assert float(many.mean()) == pytest.approx(expected, rel=0.02)


def test_the_tree_gives_probabilities_that_sum_to_1(drawn):
    """A tree of three words: node 1 is the root, whose one child is the word 2."""
    nodes, turns = np.array([[1, 0], [1, 0], [1, 0]]), np.array([[1, 1], [1, -1], [-1, 0]])
    params = drawn(Word2vec(3, D, True, 0, True).init)
    hidden = jnp.asarray(np.random.default_rng(0).normal(size=(7, D)))
    scores = jnp.einsum("nd,tld->ntl", hidden, params["nodes"][nodes])
    p = jnp.exp(-path_surprise(scores, turns))
    assert p.shape == (7, 3) and float(p.min()) > 0
    np.testing.assert_allclose(p.sum(-1), 1, rtol=1e-5)


def test_first_parameters():
    params = Word2vec(V, D, True, K, True).init(jax.random.key(0))
    assert {name: table.shape for name, table in params.items()} == {
        "words": (V, D), "outputs": (V, D), "nodes": (V - 1, D)
    }  # fmt: skip
    assert 0.8 / (2 * D) < float(abs(params["words"]).max()) <= 1 / (2 * D)
    assert not params["outputs"].any() and not params["nodes"].any()
    assert set(Word2vec(V, D, True, 0, True).init(jax.random.key(0))) == {"words", "nodes"}


@pytest.mark.parametrize("x", [-200.0, -7.0, -0.5, 0.0, 0.5, 7.0, 200.0])
def test_surprise_is_minus_the_log_of_the_logistic_function(x):
    assert float(surprise(x)) == pytest.approx(np.logaddexp(0, -x), rel=1e-6)
    assert float(jax.grad(surprise)(x)) == pytest.approx(-1 / (1 + np.exp(min(x, 300))), rel=1e-5)
