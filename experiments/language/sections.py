"""The sections common to the reports of language models: training curves and samples."""

from collections.abc import Mapping

from data.batches import windows_in_a_pass
from experiments.reports import page
from experiments.runtime.numbers import counted
from experiments.runtime.workdir import Workdir
from experiments.training import metrics
from experiments.training.cell_options import cell_name
from experiments.training.run import Trained


def layers_of(config) -> str:
    """The net in words, such as `2 LSTM layers of 128 units`."""
    layers = counted(config.layers, f"{cell_name(config.cell)} layer")
    return f"{layers} of {counted(config.hidden, 'unit')}"


def training_curves(config, trained: Trained, size: int, labels: Mapping[str, str]):
    """Figures against passes through a training text of `size` symbols.

    `labels` are those of `page.curves_section`.
    """
    steps = windows_in_a_pass(size, config.batch_size, config.unroll)
    text = (
        "Each point of the training curve is the mean over the steps since the previous point, "
        "each point of the validation curve the mean over the whole validation text.",
    )
    labels = dict(labels) | {"gradient_norm": "gradient norm"}
    return page.curves_section(trained.metrics.rows, labels, 1 / steps, text)


def samples_by_stage(workdir: Workdir, unit: str) -> page.Section:
    """Samples of the net untrained, early, half-way and at the end."""
    rows = metrics.read(workdir.samples)
    chosen = sorted({0, 1, len(rows) // 2, len(rows) - 1} & set(range(len(rows))))
    listing = "\n\n".join(
        f"---- after {rows[i]['step']:,} steps ----\n{rows[i]['text']}" for i in chosen
    )
    text = (f"Sampled {unit} by {unit} at temperature 1, from the start of a line.",)
    return page.Section("Samples during training", text, listing=listing)
