"""What the reports of all language models show: how they learned, and what they wrote."""

from collections.abc import Mapping

from data.batches import windows_in_a_pass
from experiments.reports import page
from experiments.runtime.workdir import Workdir
from experiments.training import metrics
from experiments.training.run import Trained


def training_curves(config, trained: Trained, size: int, names: Mapping[str, str]):
    """Figures against passes; `size` is of the training text, `names` as of `curves_section`."""
    passes = 1 / windows_in_a_pass(size, config.batch_size, config.unroll)
    text = (
        "The training curve is the mean over the steps since the point before it, the state "
        "carried from step to step; the other is of the whole validation text.",
    )
    names = dict(names) | {"gradient_norm": "norm of the gradient"}
    return page.curves_section(trained.metrics.rows, names, passes, text)


def samples_by_stage(workdir: Workdir, unit: str) -> page.Section:
    """What the net wrote untrained, early, half-way and at the end."""
    rows = metrics.read(workdir.samples)
    chosen = sorted({0, 1, len(rows) // 2, len(rows) - 1} & set(range(len(rows))))
    listing = "\n\n".join(
        f"---- after {rows[i]['step']:,} steps ----\n{rows[i]['text']}" for i in chosen
    )
    text = (f"Drawn {unit} by {unit} at temperature 1, each beginning on a new line.",)
    return page.Section("Samples by stage", text, listing=listing)
