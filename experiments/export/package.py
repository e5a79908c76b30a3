"""Writes an exported net to a folder, completely or not at all."""

import json
import os
import pathlib
import shutil
import tempfile
from typing import Any

import jax
import numpy as np
import safetensors.numpy
from jax import export

from data.errors import UserError
from experiments.runtime import xla
from experiments.training.export_form import Form, Size
from experiments.training.trained_net import SavedRun

Tree = Any
PLATFORMS = ("cpu", "cuda", "tpu")
HOW = (
    "forward = jax.export.deserialize(bytearray(content of forward.jax)); "
    "parameters = safetensors.numpy.load_file('parameters.safetensors'); "
    "forward.call(parameters, inputs) gives the outputs, all three by name"
)


def named(tree: Tree, is_leaf=None) -> dict[str, Any]:
    """A tree's leaves, by names such as `layers.0.input.x`."""
    leaves = jax.tree.leaves_with_path(tree, is_leaf=is_leaf)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def exported(form: Form) -> export.Exported:
    """The forward pass as a function of dictionaries of arrays; named axes may have any size."""
    sizes = named(form.inputs, lambda x: isinstance(x, Size))
    structures = [jax.tree.structure(form.parameters),
                  jax.tree.structure(form.inputs, lambda x: isinstance(x, Size))]  # fmt: skip
    orders = (list(named(form.parameters)), list(sizes))

    def forward(parameters, inputs):
        triples = zip(structures, orders, (parameters, inputs), strict=True)
        trees = (jax.tree.unflatten(structure, [given[name] for name in order])
                 for structure, order, given in triples)  # fmt: skip
        return named(form.forward(*trees))

    scope = export.SymbolicScope()
    inputs = {
        name: jax.ShapeDtypeStruct(export.symbolic_shape(size.axes, scope=scope), size.dtype)
        for name, size in sizes.items()
    }
    parameters = jax.eval_shape(lambda: named(form.parameters))
    return export.export(jax.jit(forward), platforms=PLATFORMS)(parameters, inputs)


def description(run: SavedRun, form: Form, forward: export.Exported) -> dict[str, Any]:
    """The content of export.json."""
    (parameters, inputs), _ = jax.tree.unflatten(forward.in_tree, forward.in_avals)
    outputs = jax.tree.unflatten(forward.out_tree, forward.out_avals)
    shapes = {
        part: {name: {"dtype": str(aval.dtype), "shape": [_axis(n) for n in aval.shape]}
               for name, aval in avals.items()}
        for part, avals in (("inputs", inputs), ("outputs", outputs), ("parameters", parameters))
    }  # fmt: skip
    faulty = f"jaxlib {' and '.join(xla.FAULTY)}: set XLA_FLAGS={xla.FLAG}= on a CPU"
    return {
        "experiment": run.experiment,
        "preset": run.identity["preset"],
        "step": run.step,
        "how": HOW,
        "platforms": list(forward.platforms),
        "jax": jax.__version__,
        "calling_convention_version": forward.calling_convention_version,
        "beware": faulty,
        "parameter_count": sum(int(np.prod(aval.shape)) for aval in parameters.values()),
        **shapes,
        **form.notes,
    }


def _axis(size) -> int | str:
    return int(size) if isinstance(size, int) else str(size)


def check_destination(out: str) -> None:
    """Raises UserError if the folder already exists or cannot be created."""
    path = pathlib.Path(out).absolute()
    if path.exists() or path.is_symlink():
        raise UserError(f"--out={out} already exists: give another folder, or delete it.")
    if not path.parent.is_dir():
        raise UserError(f"--out={out}: there is no folder {path.parent}; create it first.")
    if not os.access(path.parent, os.W_OK):
        raise UserError(f"--out={out}: {path.parent} cannot be written to; give another folder.")


def write(out: str, run: SavedRun, form: Form) -> dict[str, Any]:
    """Writes the folder `out`, completely or not at all; returns the content of export.json."""
    forward = exported(form)
    content = description(run, form, forward)
    path = pathlib.Path(out).absolute()
    unfinished = pathlib.Path(tempfile.mkdtemp(prefix=f".{path.name}.unfinished-", dir=path.parent))
    try:
        arrays = {n: np.ascontiguousarray(leaf) for n, leaf in named(form.parameters).items()}
        (unfinished / "parameters.safetensors").write_bytes(safetensors.numpy.save(arrays))
        (unfinished / "forward.jax").write_bytes(forward.serialize())
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        (unfinished / "export.json").write_text(text, encoding="utf-8")
        unfinished.chmod(0o755)
        unfinished.rename(path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return content
