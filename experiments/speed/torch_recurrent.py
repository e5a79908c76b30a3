"""The recurrent workloads in PyTorch, in several forms; the fastest is the one to beat.

The net, loss and update are the same as ours. `eager` and `compiled` use PyTorch's own layer;
`loop` is a Python loop over time with the gates' weights packed and, as in ours, the
input product of all steps computed at once, or looked up by row if the vocabulary is small.
"""

import functools
import sys

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from experiments.speed.recurrent import ALL, CLIP, RATE, Workload, example_batch
from experiments.speed.torch_steps import serve_step, training_step

PADDING = -100  # the target that cross_entropy ignores
RELU = functools.partial(nn.RNN, nonlinearity="relu")
LAYERS = {"tanh": nn.RNN, "relu": RELU, "gru": nn.GRU, "lstm": nn.LSTM}


class Net(nn.Module):
    """From xs and targets, as `tensors` gives them, to the mean cross entropy."""

    def __init__(self, workload: Workload, by_hand: bool = False):
        super().__init__()
        w, self.workload, self.by_hand = workload, workload, by_hand
        ways = 2 if w.lengths else 1
        self.embedding = nn.Embedding(w.inputs, w.embedding) if w.embedding else None
        width = w.embedding or w.inputs
        layers = LAYERS[w.cell](
            width, w.hidden, w.layers, bidirectional=w.lengths, dropout=w.dropout
        )
        self.drop = nn.Dropout(w.dropout)
        # four per layer and direction; a list, since torch.compile stops at PyTorch's own layers
        self.layers = nn.ParameterList(layers.parameters()) if by_hand else layers
        self.out = nn.Linear(ways * w.hidden, w.outputs)

    def forward(self, xs, targets, lengths=None):
        ys = self.loop(xs, lengths) if self.by_hand else self.layer(xs, lengths)
        logits = self.out(self.drop(ys)).flatten(0, 1)
        return F.cross_entropy(logits, targets.flatten(), ignore_index=PADDING)

    def layer(self, xs, lengths):
        """All layers with PyTorch's own module."""
        if lengths is not None:
            packed = pack_padded_sequence(xs, lengths, enforce_sorted=False)
            return pad_packed_sequence(self.layers(packed)[0], total_length=len(xs))[0]
        embed = self.embedding or (lambda xs: F.one_hot(xs, self.workload.inputs).float())
        return self.layers(self.drop(embed(xs)))[0]

    def loop(self, xs, lengths):
        """All layers with a loop over time."""
        mask = None
        if lengths is not None:
            mask = (torch.arange(len(xs))[:, None] < lengths)[..., None].unbind()  # T of [B, 1]
        for n in range(0, len(self.layers), 8 if mask else 4):
            ways = [self.one_way(self.layers[n : n + 4], xs, mask, reverse=False)]
            if mask is not None:
                ways.append(self.one_way(self.layers[n + 4 : n + 8], xs, mask, reverse=True))
            ys = torch.cat(ways, -1)
            xs = self.drop(ys)  # between the layers; `forward` does it after the last one
        return ys

    def one_way(self, weights, xs, mask, reverse: bool):
        w_x, w_h, b_x, b_h = weights
        inside = self.workload.cell == "gru"  # its b_h is multiplied by the reset gate
        step, b = STEPS[self.workload.cell], b_x if inside else b_x + b_h
        drives = self.drives(xs, w_x, b).unbind()  # T of [B, G H]
        carry = (xs.new_zeros(xs.shape[1], len(w_h[0]), dtype=w_h.dtype),) * 2  # h, c
        ys = []
        for t in reversed(range(len(drives))) if reverse else range(len(drives)):
            new = step(carry, drives[t], w_h.T, b_h)
            if mask is not None:
                new = [torch.where(mask[t], a, b) for a, b in zip(new, carry, strict=True)]
            carry = new
            ys.append(carry[0] if mask is None else carry[0] * mask[t])
        return torch.stack(ys[::-1] if reverse else ys)

    def drives(self, xs, w_x, b):
        if xs.is_floating_point():
            return F.linear(xs, w_x, b)
        if self.embedding is None:
            return F.embedding(xs, w_x.T + b)
        if self.workload.inputs < xs.numel() and not self.workload.dropout:
            return F.embedding(xs, F.linear(self.embedding.weight, w_x, b))
        return F.linear(self.drop(self.embedding(xs)), w_x, b)


def tanh_step(carry, drive, w, b):
    h = torch.tanh(torch.addmm(drive, carry[0], w))
    return h, h


def relu_step(carry, drive, w, b):
    h = torch.relu(torch.addmm(drive, carry[0], w))
    return h, h


def gru_step(carry, drive, w, b):
    h, _ = carry
    sums, width = torch.addmm(b, h, w), h.shape[1]
    (a, x), (d, p) = (gates.split([2 * width, width], 1) for gates in (drive, sums))
    r, z = torch.sigmoid(a + d).chunk(2, 1)
    h = torch.lerp(torch.tanh(x + r * p), h, z)  # z h + (1 - z) g
    return h, h


def lstm_step(carry, drive, w, b):
    h, c = carry
    i, f, g, o = torch.addmm(drive, h, w).chunk(4, 1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


STEPS = {"tanh": tanh_step, "relu": relu_step, "gru": gru_step, "lstm": lstm_step}


def tensors(workload: Workload) -> dict[str, torch.Tensor]:
    """The example batch, with `PADDING` as the targets past the end of a sequence."""
    batch = {name: torch.tensor(xs) for name, xs in example_batch(workload).items()}
    batch = {name: x if x.is_floating_point() else x.long() for name, x in batch.items()}
    if workload.lengths:
        past = torch.arange(workload.steps)[:, None] >= batch["lengths"]
        batch["targets"] = batch["targets"].masked_fill(past, PADDING)
    return batch


def stepper(form: str, workload: Workload):
    """A function that runs one training step and returns its loss."""
    net, batch = Net(workload, by_hand="loop" in form), tensors(workload)
    loss_of = torch.compile(net) if "compiled" in form else net
    optimizer = (torch.optim.Adagrad if workload.clipped else torch.optim.SGD)(
        net.parameters(), lr=RATE, fused=True
    )

    def clip():
        if workload.clipped:
            nn.utils.clip_grad_value_(net.parameters(), CLIP)
        if workload.clip_norm:
            nn.utils.clip_grad_norm_(net.parameters(), workload.clip_norm)

    return training_step(lambda: loss_of(**batch), optimizer, clip)


if __name__ == "__main__":
    serve_step(lambda: stepper(sys.argv[1], ALL[sys.argv[2]]))
