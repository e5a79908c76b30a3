"""How the copies of a small net do: each by itself, and all of them together."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from data.tables import TEST, TRAIN, VALID
from experiments.images.copies import Copies, example_losses, standardised
from experiments.runtime.mesh import evaluation_batches, on_host, replicated
from experiments.training.kept import Candidate, Figures, Net
from experiments.training.loop import TrainState, Tree, Watch

SPLITS = {"train": TRAIN, "valid": VALID, "test": TEST}
EVALUATION_BATCH = 500


class Scores(NamedTuple):
    """What each copy does on each part of the rows, by the numbers of `data.tables`."""

    accuracy: np.ndarray  # [3, copies], in percent; NaN for a part without rows
    loss: np.ndarray  # [3, copies], mean over the part's rows
    dead: np.ndarray  # bool [copies]: a layer has no unit that any training row activates


class Evaluation:
    """The copies of a run and the rows that they are evaluated on."""

    def __init__(self, copies: Copies, mesh):
        self.copies, self._mesh = copies, mesh
        table, groups = copies.table, copies.different_parts
        parts = np.stack([group.parts.T for group in groups], 1)  # [N, G, S]
        size = min(EVALUATION_BATCH, len(table.labels))
        self._cuts = evaluation_batches(mesh, (table.inputs, table.labels, parts), size)
        self._measure = jax.jit(self._sums)
        held_out = groups[0].parts[0]
        self.splits = {n: part for n, part in SPLITS.items() if n != "train" and part in held_out}

    def _sums(self, params, variables, cut):
        (inputs, labels, parts), mask = cut
        net, inputs = self.copies.net, standardised(variables, inputs)
        sums = jax.vmap(net.sums, in_axes=(0, None), out_axes=1)(params, inputs)  # [B, copies, C]
        losses = example_losses(self.copies.config.loss, sums, labels[:, None])
        right = sums.argmax(-1) == labels[:, None]
        wide = self.copies.for_each(parts)
        member = jax.nn.one_hot(wide, len(SPLITS)) * mask[:, None, None]
        hidden = jax.vmap(net.hidden, in_axes=(0, None), out_axes=1)(params, inputs)
        trained = member[..., TRAIN] > 0  # [B, copies]
        alive = [((units > 0).any(-1) & trained).any(0) for units in hidden]
        each = (right, losses, jnp.ones_like(losses))  # [B, copies]
        sums = [(member * xs[..., None]).sum(0).T for xs in each]  # [3, copies]
        return (*sums, jnp.stack([*alive, jnp.ones(len(wide[0]), bool)]))

    def scores(self, params, variables, watch: Watch, what: str) -> Scores:
        """Of stacked parameters."""
        right = losses = counts = alive = 0
        for cut in watch(self._cuts, what):
            *sums, active = jax.device_get(self._measure(params, variables, cut))
            right, losses, counts = (
                total + one.astype(np.float64)
                for total, one in zip((right, losses, counts), sums, strict=True)
            )
            alive = alive | active
        with np.errstate(invalid="ignore"):
            return Scores(100 * right / counts, losses / counts, ~alive.all(0))

    def evaluate(self, state: TrainState, watch: Watch) -> dict[str, Figures]:
        """Figures by split, means over the copies of a group; see `training.run`."""
        self._latest = self.scores(state.params, state.variables, watch, "test")
        return {
            name: {key: float(np.mean(values)) for key, values in self._by_group(part).items()}
            for name, part in self.splits.items()
        }

    def _by_group(self, part: int) -> dict[str, np.ndarray]:
        seeds, found = self.copies.config.seeds, {}
        for n, group in enumerate(self.copies.groups):
            own = slice(n * seeds, (n + 1) * seeds)
            found[group.prefix + "accuracy_percent"] = self._latest.accuracy[part, own]
            found[group.prefix + "loss"] = self._latest.loss[part, own]
        return found

    def offer(self, state: TrainState, splits) -> dict[str, Candidate]:
        """Each copy, by its accuracy on its validation rows; ties go by the loss."""
        host: list[Tree] = []

        def net(place: int) -> Net:
            if not host:
                host.append((on_host(state.params), on_host(state.variables)))
            params, variables = host[0]
            return Net(int(state.step), jax.tree.map(lambda xs: xs[place], params), variables)

        def candidate(place: int) -> Candidate:
            prefix = self.copies.groups[place // self.copies.config.seeds].prefix
            accuracy, loss = self._latest.accuracy[:, place], self._latest.loss[:, place]
            figures = {
                name: {prefix + "accuracy_percent": accuracy[part], prefix + "loss": loss[part]}
                for name, part in self.splits.items()
            }
            score = (accuracy[VALID], -loss[VALID]) if "valid" in self.splits else ()
            return Candidate(score, figures, lambda: net(place))

        return {name: candidate(place) for place, name in enumerate(self.copies.names)}

    def test(self, nets: Mapping[str, Net], watch: Watch) -> dict[str, Figures]:
        """The spread of the kept copies' accuracies over the seeds of each group."""
        kept = [nets[name] for name in self.copies.names]
        self.params = jax.tree.map(lambda *leaves: np.stack(leaves), *(net.params for net in kept))
        self.variables = kept[0].variables
        on_mesh = replicated(self._mesh, (self.params, self.variables))
        self.tested = self.scores(*on_mesh, watch, "the kept nets")
        figures: Figures = {}
        seeds = self.copies.config.seeds
        for n, group in enumerate(self.copies.groups):
            own = slice(n * seeds, (n + 1) * seeds)
            accuracies = self.tested.accuracy[TEST, own]
            figures |= spread(group.prefix, accuracies, self.copies.config.seed)
            if self.copies.net.unit == "relu" and len(self.copies.net.widths) > 2:
                figures[group.prefix + "dead_seeds"] = int(self.tested.dead[own].sum())
        return {"test": figures}


def spread(prefix: str, accuracies: np.ndarray, seed: int) -> Figures:
    """Median and lowest of accuracies [seeds] in percent, how many reach 90, and each of them."""
    figures = {
        "median_accuracy_percent": float(np.median(accuracies)),
        "lowest_accuracy_percent": float(accuracies.min()),
        "seeds_reaching_90": int((accuracies >= 90).sum()),
    } | {
        f"accuracy_percent_seed_{seed + n}": float(value) for n, value in enumerate(accuracies)
    }  # fmt: skip
    return {prefix + name: value for name, value in figures.items()}
