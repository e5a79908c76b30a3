"""Translation in PyTorch, with the same weights: the same loss, gradient and search."""

import dataclasses

import jax
import numpy as np
import pytest

from experiments.speed.translate import STEPS, TRAINING, example_batch, preset
from experiments.translation.loss import make_loss
from experiments.translation.net import make_model
from experiments.translation.pairs import Batch
from experiments.translation.translator import make_search

WORDS = 11
pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(scope="module")
def both(drawn):
    """Our net and PyTorch's with the same weights, and a small batch."""
    torch = pytest.importorskip("torch")
    from experiments.speed.torch_translate import Net

    config = dataclasses.replace(preset(), hidden=5, embedding=4, vocabulary=WORDS, dropout=0.0)
    model, net = make_model(config, WORDS, WORDS), Net(config)
    params = drawn(model.init)

    def put(tensor, values):
        tensor.data = torch.tensor(values).reshape(tensor.shape)

    def put_linear(layer, linear):
        put(layer.weight, linear["weights"].T)
        put(layer.bias, linear["bias"])

    def put_gru(weights, cell):
        gates = [cell[gate] for gate in ("reset", "update", "candidate")]
        w_x, w_h, b_x, b_h = weights
        put(w_x, np.concatenate([gate["x"] for gate in gates], -1).T)
        put(w_h, np.concatenate([gate["h"] for gate in gates], -1).T)
        put(b_x, np.concatenate([gate["b"] for gate in gates]))
        put(b_h, np.concatenate([np.zeros(10, np.float32), cell["candidate"]["d"]]))

    encoder, decoder = list(net.encoder.parameters()), params["decoder"]
    for n, cell in enumerate(params["encoder"][0]):
        put_gru(encoder[4 * n : 4 * n + 4], cell)
    put_gru(net.decoder.parameters(), decoder["layers"][0])
    put(net.source.weight, params["source"])
    put(net.target.weight, params["target"])
    put_linear(net.first, decoder["first"][0])
    put(net.score.weight, decoder["score"].T)
    put_linear(net.combine, decoder["combine"])
    put_linear(net.out, params["output"])
    example = example_batch(TRAINING)
    batch = {name: x[:4] % WORDS if name != "lengths" else x[:4] for name, x in example.items()}
    return config, model, params, net.eval(), batch


def mask_of(batch):
    return np.arange(batch["source"].shape[1]) < batch["lengths"][:, None]


def test_loss_and_gradient_are_the_same(both):
    import torch

    config, model, params, net, batch = both
    mask = mask_of(batch)
    ours = make_loss(config, model, float(mask.sum()))
    cut = Batch(batch["source"], mask, batch["target"], mask)
    value, gradient = jax.jit(
        jax.value_and_grad(lambda p: ours(p, {}, {}, cut, jax.random.key(0))[0])
    )(params)
    net.train()
    theirs = net(**{name: torch.tensor(x).long() for name, x in batch.items()})
    theirs.backward()
    net.eval()
    assert theirs.item() == pytest.approx(float(value), rel=1e-5)
    np.testing.assert_allclose(net.source.weight.grad, gradient["source"], atol=1e-6)
    np.testing.assert_allclose(net.out.weight.grad.T, gradient["output"]["weights"], atol=1e-6)


def test_the_search_finds_the_same(both):
    import torch

    _, model, params, net, batch = both
    beams = make_search(model, 3, 1.0, STEPS)(
        params, batch["source"], mask_of(batch), np.full(4, STEPS)
    )
    tensors = [torch.tensor(batch[name]).long() for name in ("source", "lengths")]
    symbols, scores = net.search(*tensors, beam=3, steps=STEPS)
    np.testing.assert_array_equal(symbols, beams.symbols[:, 0])
    np.testing.assert_allclose(scores, beams.scores[:, 0], rtol=1e-4)
