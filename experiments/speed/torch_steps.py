"""PyTorch's side of every benchmark: a training step as PyTorch users write it, and its worker."""

from collections.abc import Callable

import torch

from experiments.speed.interleaved import serve


def training_step(
    loss_of: Callable[[], torch.Tensor],
    optimizer: torch.optim.Optimizer,
    clip: Callable[[], object] = lambda: None,
) -> Callable[[], torch.Tensor]:
    """A function that runs one step and returns its loss; `clip` clips the gradients in place."""

    def step():
        loss = loss_of()
        loss.backward()
        clip()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss

    return step


def serve_step(make_step: Callable[[], Callable[[], torch.Tensor]]) -> None:
    """Times a step for `interleaved.Worker`; the net is initialised from seed 0."""
    torch.manual_seed(0)
    serve(make_step(), lambda result: result.sum().item())
