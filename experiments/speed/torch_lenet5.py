"""LeNet-5 in PyTorch, in several forms; the fastest is the one to beat.

The net, the loss and the update are the same as ours; the weights are initialised by PyTorch.
"""

import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from experiments.speed.lenet5 import RATE, example_images
from experiments.speed.torch_steps import serve_step, training_step
from nets.bitmaps import digit_bitmaps
from nets.lenet import TABLE_I


def squash(a: torch.Tensor) -> torch.Tensor:
    return 1.7159 * torch.tanh(a * (2 / 3))


class LeNet5(nn.Module):
    """From images float32 [B, 1, 32, 32] and labels [B] to the MAP loss, eq. 9."""

    def __init__(self, rubbish: float):
        super().__init__()
        self.c1, self.c5, self.f6 = nn.Conv2d(1, 6, 5), nn.Linear(400, 120), nn.Linear(120, 84)
        self.s2, self.s4 = (nn.Parameter(torch.rand(2, n, 1, 1)) for n in (6, 16))
        self.c3 = nn.Parameter(0.1 * torch.randn(60, 25))
        self.c3_bias = nn.Parameter(torch.zeros(16))
        where = [6 * output + i for output, inputs in enumerate(TABLE_I) for i in inputs]
        self.register_buffer("where", torch.tensor(where))
        self.register_buffer("codes", torch.tensor(digit_bitmaps()))
        self.register_buffer("rubbish", torch.tensor([-rubbish]))

    def forward(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        def subsampled(xs, weights):
            return squash(F.avg_pool2d(xs, 2, divisor_override=1) * weights[0] + weights[1])

        kernel = torch.zeros(96, 25).index_copy(0, self.where, self.c3).reshape(16, 6, 5, 5)
        xs = subsampled(squash(self.c1(images)), self.s2)
        xs = subsampled(squash(F.conv2d(xs, kernel, self.c3_bias)), self.s4)
        z = squash(self.f6(squash(self.c5(xs.flatten(1)))))
        # the squared distances multiplied out, which is faster than squaring the differences
        squares = (z * z).sum(1, keepdim=True) + z.shape[1]
        penalties = torch.addmm(squares, z, self.codes.T, alpha=-2)
        right = penalties.gather(1, labels[:, None])[:, 0]
        rivals = torch.cat([self.rubbish.expand(len(z), 1), -penalties], 1)
        return (right + torch.logsumexp(rivals, 1)).mean()


def normalised(images: np.ndarray) -> torch.Tensor:
    """From uint8 [B, 28, 28] to float32 [B, 1, 32, 32]; not timed."""
    pixels = torch.tensor(images, dtype=torch.float32)[:, None] * (1.275 / 255) - 0.1
    return F.pad(pixels, (2, 2, 2, 2), value=-0.1)


def stepper(form: str, batch: int):
    """A function that runs one training step and returns its loss."""
    images, labels = example_images(batch)
    net, xs, labels = LeNet5(4.0), normalised(images), torch.tensor(labels).long()
    if "channels-last" in form:
        net = net.to(memory_format=torch.channels_last)
        xs = xs.contiguous(memory_format=torch.channels_last)
    if "with update" in form:
        return whole_step(net, xs, labels)
    loss_of = torch.compile(net) if "compiled" in form else net
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE, fused=True)
    return training_step(lambda: loss_of(xs, labels), optimizer)


def whole_step(net: LeNet5, xs: torch.Tensor, labels: torch.Tensor):
    """Loss, gradient and update in one compiled graph."""

    @torch.compile
    def update(params):
        def loss_of(params):
            return torch.func.functional_call(net, params, (xs, labels))

        grads, loss = torch.func.grad_and_value(loss_of)(params)
        return {name: params[name] - RATE * grads[name] for name in params}, loss

    params = {name: p.detach() for name, p in net.named_parameters()}

    def step():
        nonlocal params
        with torch.no_grad():
            params, loss = update(params)
        return loss

    return step


if __name__ == "__main__":
    serve_step(lambda: stepper(sys.argv[1], int(sys.argv[2])))
