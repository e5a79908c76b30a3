"""Exported nets, loaded without this project: equal to the project's own, at sizes not seen before.

The checkpoints hold first parameters: what is tested is the way out, not the training.
"""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data import vocabulary
from experiments import (
    autoencoder,
    char_rnn,
    dnn,
    draw_digits,
    filters,
    lenet5,
    memory,
    moving_digits,
    tagger,
    translate,
    word2vec,
    word_lm,
)
from experiments.__main__ import experiments
from experiments.export.__main__ import main
from experiments.images.identity import first_copies
from experiments.images.reconstruction import make_model as make_autoencoder
from experiments.language.net import make_model, make_word_model
from experiments.runtime import options
from experiments.tagging.net import NET, Batch, make_nets
from experiments.tagging.net import first_parameters as tagger_parameters
from experiments.training.checkpoints import Checkpoints
from experiments.training.first_parameters import first_parameters
from experiments.training.kept import Candidate, KeptNets, Net
from experiments.training.loop import TrainState
from experiments.translation.net import make_model as make_translator
from nets.row_writer import RowWriter

pytestmark = pytest.mark.usefixtures("quick_compilation", "no_garbage_left")

# What somebody has who does not have this project: jax, safetensors, numpy, and the folders.
ELSEWHERE = """
import json, pathlib, sys
import jax, numpy as np, safetensors.numpy
for folder in map(pathlib.Path, sys.argv[1:]):
    forward = jax.export.deserialize(bytearray((folder / "forward.jax").read_bytes()))
    parameters = safetensors.numpy.load_file(folder / "parameters.safetensors")
    described = json.loads((folder / "export.json").read_text())
    assert {n: [str(a.dtype), list(a.shape)] for n, a in parameters.items()} \\
        == {n: [p["dtype"], p["shape"]] for n, p in described["parameters"].items()}
    for path in sorted(folder.parent.glob(folder.name + ".inputs.*.npz")):
        inputs = dict(np.load(path))
        assert set(inputs) == set(described["inputs"])
        outputs = forward.call(parameters, inputs)
        assert set(outputs) == set(described["outputs"])
        np.savez(str(path).replace(".inputs.", ".outputs."), **outputs)
assert not {"nets", "data", "experiments"} & set(sys.modules)
"""


class Case(NamedTuple):
    """A run with its net, and the net's own forward function."""

    config: Any
    facts: dict[str, str]
    params: Any
    inputs: Any  # (random, batch, time) -> arrays by name
    forward: Any  # (params, inputs) -> outputs by name
    variables: Any = {}


def drawn(make):
    """Numbers in the shapes that `make` gives for a key; nothing is compiled for them."""
    random = np.random.default_rng(1)
    like = jax.eval_shape(lambda: make(jax.random.key(0)))
    return jax.tree.map(lambda x: random.uniform(-0.5, 0.5, x.shape).astype(x.dtype), like)


def ints(random, most, *shape):
    return random.integers(0, most, shape).astype(np.int32)


def mask_of(random, batch, time):
    lengths = random.integers(1, time + 1, batch)
    return np.arange(time) < lengths[:, None]


def image_case(**changes):
    config = lenet5.Config(**changes)
    net = lenet5.make_net(config, 10)
    variables = drawn(lambda key: net.init(key, jnp.zeros((1, 28, 28), jnp.uint8)))
    variables |= jax.tree.map(np.abs, {n: v for n, v in variables.items() if n != "params"})
    return Case(
        config, {}, variables.pop("params"),
        lambda random, batch, time: {
            "images": random.integers(0, 256, (batch, 28, 28)).astype(np.uint8)},
        lambda params, x: {"scores": net.apply({"params": params, **variables}, x["images"])},
        variables,
    )  # fmt: skip


def language_case(config, model, facts, width):
    layers = range(config.layers)
    lstm = config.cell == "lstm"

    def inputs(random, batch, time):
        names = [f"carry.{n}.{part}" for n in layers for part in "hc"] if lstm else (
            [f"carry.{n}" for n in layers])  # fmt: skip
        carry = {n: random.normal(size=(batch, width)).astype(np.float32) for n in names}
        return {"symbols": ints(random, model.symbols, time, batch), **carry}

    def forward(params, x):
        first = model.carry(x["symbols"].shape[1])
        names = [f"carry.{n}.{part}" for n in layers for part in "hc"] if lstm else (
            [f"carry.{n}" for n in layers])  # fmt: skip
        tree = jax.tree.structure(first)
        carry, logits = model.logits(
            params, x["symbols"], jax.tree.unflatten(tree, [x[name] for name in names])
        )
        return {"logits": logits, **dict(zip(names, jax.tree.leaves(carry), strict=True))}

    return Case(config, facts, drawn(lambda _: first_parameters(config, model, 1)), inputs, forward)


def characters():
    config = char_rnn.Config(hidden=6, layers=2, cell="lstm", peepholes=True)
    facts = {"symbols": "\n abc<é", "text": "0"}
    return language_case(config, make_model(config, 7), facts, 6)


def words():
    config = word_lm.Config(hidden=5, embedding=5, tied=True, cell="gru")
    return language_case(config, make_word_model(config, 3), {"words": "<eos> a b", "text": "0"}, 5)


def labels_of_given_vectors(folder):
    folder.mkdir(parents=True)
    vectors = folder / "vectors.txt"
    vectors.write_text("the 0.5 -0.25 1\ncat 1 2 -3\n")
    return labels(folder, vectors=str(vectors))


def labels(folder, **changes):
    config = tagger.Config(
        hidden=5, embedding=4, cell="lstm", letter_hidden=3, letter_embedding=3, **changes
    )
    corpus, coding, table = tagger.coded_corpus(config)
    nets = make_nets(config, coding, 0 if table is None else table.shape[1], corpus.whole)
    given = None if table is None else jnp.asarray(table)
    params = drawn(lambda _: tagger_parameters(config, nets))
    facts = tagger.facts_of(coding, table)
    best = jax.tree.map(lambda leaf: jnp.asarray(leaf[0] + 0.25), params[NET])  # not the last ones
    folder.mkdir(parents=True, exist_ok=True)
    kept = Candidate((99.0,), {}, lambda: Net(1, best, {}))
    KeptNets(folder / "best", best=True).offer(1, {"net-0": kept})

    def inputs(random, batch, time):
        letters = ints(random, len(coding.letters) + 1, batch, time, coding.longest)
        return {"words": ints(random, len(coding.words) + 1, batch, time), "letters": letters,
                "mask": mask_of(random, batch, time)}  # fmt: skip

    def forward(params, x):
        batch = Batch(x["words"], x["mask"], None, None, x["letters"])
        return {"logits": jnp.swapaxes(nets[NET].logits(best, given, batch)[0], 0, 1)}

    return Case(config, facts, params, inputs, forward)


def translation(**changes):
    config = translate.Config(hidden=6, embedding=6, **changes)
    pieces = vocabulary.build(["a b c d"], "words", 99, 1)
    facts = {f"{side}_vocabulary": pieces.to_json() for side in ("source", "target")}
    model = make_translator(config, len(pieces), len(pieces))

    def inputs(random, batch, time):
        source = 67 if config.form == "kalchbrenner" else time + 2
        return {"source": ints(random, len(pieces), batch, source),
                "source_mask": mask_of(random, batch, source),
                "target": ints(random, len(pieces), batch, time)}  # fmt: skip

    def forward(params, x):
        source = model.encode(params, x["source"].T, x["source_mask"].T)
        logits = model.decode(params, *model.begin(params, source), x["target"].T)[1]
        return {"logits": jnp.swapaxes(logits, 0, 1)}

    return Case(config, facts, drawn(lambda _: first_parameters(config, model, 1)), inputs, forward)


def sequences(**changes):
    config = memory.Config(hidden=5, **changes)
    model = memory.make_model(config)

    def inputs(random, batch, time):
        if config.task == "copy":
            return {"inputs": ints(random, 10, batch, time)}
        return {"inputs": random.normal(size=(batch, time, 2)).astype(np.float32),
                "lengths": mask_of(random, batch, time).sum(1).astype(np.int32)}  # fmt: skip

    def forward(params, x):
        xs = jnp.swapaxes(x["inputs"], 0, 1)
        if config.task == "copy":
            return {"said": jnp.swapaxes(model.each(params, xs), 0, 1)}
        return {"said": model.last(params, xs, jnp.arange(len(xs))[:, None] < x["lengths"])}

    return Case(config, {}, drawn(model.init), inputs, forward)


def pictures():
    config = draw_digits.Config(hidden=5)
    model = RowWriter(draw_digits.make_cell(config), 10, 8)

    def forward(params, x):
        above = jnp.swapaxes(x["above"], 0, 1)
        _, logits = model.rows(params, model.begin(params, x["classes"]), above)
        return {"logits": jnp.swapaxes(logits, 0, 1)}

    return Case(config, {}, drawn(model.init), lambda random, batch, time: {
        "classes": ints(random, 10, batch),
        "above": random.integers(0, 2, (batch, time, 8)).astype(np.float32)}, forward)  # fmt: skip


def films():
    config = moving_digits.Config(hidden=5, field=8)
    model = moving_digits.make_model(config)

    def forward(params, x):
        frames = jnp.swapaxes(x["frames"], 0, 1)
        state = model.encode(params, frames)
        return {name: jnp.swapaxes(model.decode(params, name, state, len(frames)), 0, 1)
                for name in ("past", "future")}  # fmt: skip

    return Case(config, {}, drawn(model.init), lambda random, batch, time: {
        "frames": random.uniform(size=(batch, time, 64)).astype(np.float32)}, forward)  # fmt: skip


def codes_of_images():
    config = autoencoder.Config(dataset="digits", hidden="6,2", code="linear")
    model = make_autoencoder(config)

    def forward(params, x):
        logits = model.logits(params, x["images"].reshape(-1, 784) / np.float32(255))
        codes = model.encode(params, x["images"].reshape(-1, 784) / np.float32(255))
        return {"codes": codes, "images": jax.nn.sigmoid(logits).reshape(-1, 28, 28)}

    return Case(config, {}, drawn(model.init), lambda random, batch, time: {
        "images": random.integers(0, 256, (batch, 28, 28)).astype(np.uint8)}, forward)  # fmt: skip


def codes_of_the_first_copy():
    config = autoencoder.Config(copies=3)
    model = make_autoencoder(config)

    def forward(params, x):
        first = jax.tree.map(lambda leaf: leaf[0], params)
        return {"codes": model.encode(first, x["inputs"]),
                "outputs": jax.nn.sigmoid(model.logits(first, x["inputs"]))}  # fmt: skip

    def inputs(random, batch, time):
        return {"inputs": random.uniform(size=(batch, 8)).astype(np.float32)}

    return Case(config, {}, drawn(lambda key: first_copies(config, model, key)), inputs, forward)


def table_rows():
    config = dnn.Config(standardise=True)
    net = dnn.make_net(config, 3, 2)
    one = drawn(net.init)
    stacked = jax.tree.map(lambda xs: np.stack([xs, 0 * xs]), one)  # two copies: the first counts
    scale = {"mean": np.float32([1, 2, 3]), "deviation": np.float32([1, 2, 4])}
    facts = {"columns": "a\nb\nc", "classes": "no\nyes"}

    def forward(params, x):
        first = jax.tree.map(lambda xs: xs[0], params)
        return {"sums": net.sums(first, (x["rows"] - scale["mean"]) / scale["deviation"])}

    return Case(config, facts, stacked, lambda random, batch, time: {
        "rows": random.normal(size=(batch, 3)).astype(np.float32)}, forward, scale)  # fmt: skip


def word_vectors():
    config = word2vec.Config(size=4, window=2)
    model = word2vec.make_model(config, 5)

    def forward(params, x):
        return {"vectors": params["words"][x["words"]]}

    return Case(config, {"words": "a b c d e"}, drawn(model.init), lambda random, batch, time: {
        "words": ints(random, 5, batch)}, forward)  # fmt: skip


def codes_of_patches():
    config = filters.Config(side=4, functions=6)
    coder = filters.patches.make_coder(config)

    def forward(params, x):
        return {"coefficients": coder.codes(params, x["patches"])[0]}

    return Case(config, {}, drawn(coder.init), lambda random, batch, time: {
        "patches": random.normal(size=(batch, 16)).astype(np.float32)}, forward)  # fmt: skip


CASES = {
    "filters": lambda folder: codes_of_patches(),
    "word2vec": lambda folder: word_vectors(),
    "dnn": lambda folder: table_rows(),
    "lenet5": lambda folder: image_case(),
    "lenet5-convnet": lambda folder: image_case(net="convnet"),
    "char_rnn": lambda folder: characters(),
    "word_lm": lambda folder: words(),
    "tagger": labels,
    "tagger-vectors": labels_of_given_vectors,
    "translate": lambda folder: translation(),
    "translate-sutskever": lambda folder: translation(form="sutskever", cell="lstm"),
    "translate-kalchbrenner": lambda folder: translation(form="kalchbrenner", cell="rnn_sigmoid"),
    "translate-bahdanau": lambda folder: translation(form="bahdanau", cell="gru_after"),
    "memory": lambda folder: sequences(),
    "memory-copy": lambda folder: sequences(task="copy", cell="rnn"),
    "draw_digits": lambda folder: pictures(),
    "moving_digits": lambda folder: films(),
    "autoencoder": lambda folder: codes_of_images(),
    "autoencoder-identity": lambda folder: codes_of_the_first_copy(),
}
# These take the same path as a sister of theirs.
VARIANTS = {"lenet5-convnet", "translate-sutskever", "translate-bahdanau", "memory-copy"}


def saved(folder: pathlib.Path, name: str, case: Case) -> None:
    """A run's folder with one checkpoint, as a run leaves it."""
    state = TrainState(np.int32(3), case.params, (np.zeros(2),), {}, case.variables)
    note = {"identity": options.identity(case.config) | case.facts, "totals": {}, "seconds": 0.0}
    Checkpoints(folder / "checkpoints").save(state, note)
    command = f"python -P -m experiments.{name.partition('-')[0]}"
    written = dataclasses.asdict(case.config) | {"command": command}
    (folder / "config.json").write_text(json.dumps(written))


@pytest.fixture(scope="module")
def outside(tmp_path_factory, request):
    """The folder of all exports, with what each gave for its inputs where there is no project."""
    root = tmp_path_factory.mktemp("exports")
    cases, random = {}, np.random.default_rng(0)
    for name, make in CASES.items():
        if name in VARIANTS and not request.config.getoption("--thorough"):
            continue
        case = cases[name] = make(root / "runs" / name)
        saved(root / "runs" / name, name, case)
        assert main([f"--workdir={root / 'runs' / name}", f"--out={root / name}"]) == 0
        for n, (batch, time) in enumerate(((1, 4), (3, 7))):
            np.savez(root / f"{name}.inputs.{n}.npz", **case.inputs(random, batch, time))
    done = subprocess.run(
        [sys.executable, "-I", "-c", ELSEWHERE, *(str(root / name) for name in cases)],
        cwd=root, capture_output=True, text=True,
        env=os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return root, cases


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.thorough] * (name in VARIANTS)) for name in CASES],
)
def test_elsewhere_it_says_what_it_says_here(outside, name):
    root, cases = outside
    for n in range(2):
        inputs = dict(np.load(root / f"{name}.inputs.{n}.npz", allow_pickle=False))
        found = dict(np.load(root / f"{name}.outputs.{n}.npz", allow_pickle=False))
        wanted = jax.jit(cases[name].forward)(cases[name].params, inputs)
        assert set(found) == set(wanted)
        for part, array in wanted.items():
            size = max(1.0, float(abs(array).max()))  # of what is summed up
            real = inputs["mask"] if "mask" in inputs else slice(None)
            np.testing.assert_allclose(found[part][real], array[real], rtol=2e-5, atol=2e-6 * size)


def test_every_experiment_can_be_exported():
    folder = pathlib.Path(lenet5.__file__).parent
    assert set(experiments(folder)) == {name.partition("-")[0] for name in CASES}


def test_the_sizes_and_what_numbers_stand_for_are_told(outside):
    root, _ = outside
    described = json.loads((root / "char_rnn" / "export.json").read_text())
    assert described["inputs"]["symbols"] == {"dtype": "int32", "shape": ["time", "batch"]}
    assert described["outputs"]["logits"]["shape"] == ["time", "batch", 7]
    assert described["symbols"] == list("\n abc<é") and described["step"] == 3
    assert json.loads((root / "lenet5" / "export.json").read_text())["parameter_count"] == 60_000
    assert json.loads((root / "tagger" / "export.json").read_text())["lowercase"] is True


@pytest.mark.parametrize("trouble", ["no folder", "no checkpoint", "other", "taken", "no parent"])
def test_mistakes_are_told_and_leave_nothing(outside, tmp_path, capsys, trouble):
    run, out = tmp_path / "run", tmp_path / "out"
    message = "is no run's folder"
    if trouble != "no folder":
        run.mkdir()
        experiment = "perceptrons" if trouble == "other" else "lenet5"
        (run / "result.json").write_text(json.dumps({"experiment": experiment}))
        message = "run of 'perceptrons'" if trouble == "other" else "no sound checkpoint"
    if trouble == "taken":
        out.mkdir()
        message = "already exists"
    if trouble == "no parent":
        out, message = tmp_path / "nowhere" / "out", "create it first"
    before = sorted(tmp_path.iterdir())
    assert main([f"--workdir={run}", f"--out={out}"]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_both_folders_have_to_be_named(capsys):
    assert main(["--workdir=x"]) == main(["out"]) == 2
    assert "--out=FOLDER" in capsys.readouterr().err


def test_a_failure_half_way_leaves_nothing(outside, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.numpy.save", full)
    with pytest.raises(OSError):
        main([f"--workdir={outside[0] / 'runs' / 'memory'}", f"--out={tmp_path / 'out'}"])
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_checkpoint_is_not_exported(outside, tmp_path, capsys):
    case = sequences()
    saved(tmp_path / "run", "memory", case)
    for file in (tmp_path / "run" / "checkpoints").rglob("*"):
        if file.is_file() and file.stat().st_size > 200 and "d" in file.parent.name:
            content = bytearray(file.read_bytes())
            content[len(content) // 2] ^= 0xFF
            file.write_bytes(content)
    assert main([f"--workdir={tmp_path / 'run'}", f"--out={tmp_path / 'out'}"]) == 2
    assert "no sound checkpoint" in capsys.readouterr().err
