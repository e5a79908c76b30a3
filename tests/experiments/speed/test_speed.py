"""The speed table: both sides compute the same, rows hold what was timed, errors are plain."""

import json
from xml.etree import ElementTree

import jax
import numpy as np
import pytest

from experiments.speed import __main__ as command
from experiments.speed import recurrent, recurrent_memory, tagger
from experiments.speed.interleaved import Worker, core_counts, rows
from experiments.speed.recurrent import Workload
from experiments.speed.recurrent_step import init, make_chunked_loss, make_loss

SMALL = {
    "tanh": Workload("tanh", 5, steps=6, batch=3, inputs=4, outputs=4),
    "both directions": Workload("tanh", 5, 8, 3, inputs=4, outputs=3, layers=2, lengths=True),
    "relu both ways": Workload("relu", 5, 8, 3, inputs=4, outputs=3, layers=2, lengths=True),
    "lstm both ways": Workload("lstm", 5, 8, 3, inputs=4, outputs=3, lengths=True),
    "gru": Workload("gru", 5, steps=6, batch=3, inputs=4, outputs=4, embedding=7),
    "lstm": Workload("lstm", 5, 6, 3, inputs=4, outputs=4, layers=2, embedding=7),
    "lstm, many symbols": Workload("lstm", 5, 6, 3, inputs=40, outputs=40, embedding=7),
}
ORDER = {  # of the gates in PyTorch
    "tanh": ["hidden"],
    "relu": ["hidden"],
    "gru": ["reset", "update", "candidate"],
    "lstm": ["input", "forget", "cell", "output"],
}
pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(params=SMALL)
def workload(request):
    return SMALL[request.param]


def loss_of(loss, params, batch):
    return loss(params, {}, {}, batch, jax.random.key(0))[0]


def random_params(workload):
    """Parameters without zeros, so that a wrong bias shows."""
    random = np.random.default_rng(1)
    shapes = jax.eval_shape(lambda: init(workload, jax.random.key(0)))
    return jax.tree.map(lambda x: random.normal(size=x.shape).astype(np.float32) / 2, shapes)


def copy_to_torch(workload, params, net):
    """Copies our parameters to the weights of `net`; the biases that only PyTorch has are 0."""
    import torch

    def put(tensor, values):
        tensor.data = torch.tensor(np.asarray(values)).reshape(tensor.shape)

    def packed(layer, name):
        return np.concatenate([layer[gate][name] for gate in ORDER[workload.cell]], -1)

    if workload.embedding:
        put(net.embedding.weight, params["embedding"])
    layers = jax.tree.leaves(params["layers"], is_leaf=lambda x: isinstance(x, dict))
    weights = iter(net.layers.parameters())
    for layer in layers:
        w_x, w_h, b_x, b_h = (next(weights) for _ in range(4))
        put(w_x, packed(layer, "x").T)
        put(w_h, packed(layer, "h").T)
        put(b_x, packed(layer, "b"))
        b_h.data.zero_()
        if workload.cell == "gru":
            b_h.data[-workload.hidden :] = torch.tensor(layer["candidate"]["d"])
    put(net.out.weight, params["output"]["weights"].T)
    put(net.out.bias, params["output"]["bias"])


@pytest.mark.parametrize("by_hand", [False, True], ids=["layer", "loop"])
def test_both_sides_have_the_same_net_loss_and_gradient(workload, by_hand):
    pytest.importorskip("torch")
    from experiments.speed import torch_recurrent

    params, batch = random_params(workload), recurrent.example_batch(workload)
    gradient = jax.jit(jax.value_and_grad(lambda p: loss_of(make_loss(workload), p, batch)))
    value, grads = gradient(params)
    net = torch_recurrent.Net(workload, by_hand)
    copy_to_torch(workload, params, net)
    theirs = net(**torch_recurrent.tensors(workload))
    theirs.backward()
    assert theirs.item() == pytest.approx(float(value), rel=1e-5)
    squares = sum(float((g**2).sum()) for g in jax.tree.leaves(grads["output"]))
    their_squares = sum(float((p.grad**2).sum()) for p in net.out.parameters())
    assert their_squares == pytest.approx(squares, rel=1e-4)
    if workload.embedding:
        np.testing.assert_allclose(net.embedding.weight.grad, grads["embedding"], atol=1e-6)


def test_pytorch_has_only_the_second_biases_in_addition(workload):
    pytest.importorskip("torch")
    from experiments.speed.torch_recurrent import Net

    params = jax.eval_shape(lambda: init(workload, jax.random.key(0)))
    ours = sum(x.size for x in jax.tree.leaves(params))
    theirs = sum(p.numel() for p in Net(workload).parameters())
    second = {"tanh": 1, "relu": 1, "gru": 2, "lstm": 4}[workload.cell]  # d_g is one of PyTorch's
    ways = 2 if workload.lengths else 1
    assert theirs - ours == second * workload.hidden * workload.layers * ways


@pytest.mark.parametrize("form", ["eager", "loop"])
def test_pytorchs_step_learns(form, workload):
    pytest.importorskip("torch")
    from experiments.speed.torch_recurrent import stepper

    step = stepper(form, workload)
    assert step().item() > [step().item() for _ in range(20)][-1]


@pytest.mark.thorough
def test_chunks_have_the_same_loss_and_gradient():
    workload = SMALL["lstm"]
    params, batch = random_params(workload), recurrent.example_batch(workload)
    whole, *chunked = (
        jax.jit(jax.value_and_grad(lambda p, loss=loss: loss_of(loss, p, batch)))(params)
        for loss in (make_loss(workload), *(make_chunked_loss(workload, n) for n in (2, 4)))
    )
    for found in chunked:
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), whole, found)


def test_cost_per_word_of_the_buckets():
    """If times are proportional to the padded sizes, the cost above a word's is the padding."""
    cuts = tagger.batches(tagger.example_lengths())
    places = [cut["steps"] * len(cut["lengths"]) for cut in cuts]
    *rows, whole = tagger.cost_rows(cuts, [0.01 * n for n in places], cores=1, rounds=1)
    assert sum(cut["count"] for cut in cuts) >= tagger.SENTENCES // 80
    for cut, row in zip(cuts, rows, strict=True):
        assert row["us_per_word"] == pytest.approx(10 * (1 + row["padding_percent"] / 100), 1e-2)
        assert max(cut["lengths"]) <= cut["steps"] and 0.75 < row["share"] < 1.25
    assert whole["us_per_word"] == pytest.approx(10 * whole["share"], rel=1e-2)
    assert 1 < whole["share"] < 1.25


WORKER = """
import os, sys
print(1.5, flush=True)
for line in sys.stdin:
    print({"ours": 100.0, "slow": 300.0, "fast": 200.0}[sys.argv[1]], flush=True)
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A module that stands in for a worker and takes no time."""
    (tmp_path / "stand_in_worker.py").write_text(WORKER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "stand_in_worker"


def test_rows_compare_with_the_best_peer(stand_in):
    peers = {name: (stand_in, [name]) for name in ("slow", "fast")}
    cores = core_counts((1,))[0]
    found = rows("w", (stand_in, ["ours"]), peers, 2, cores)
    assert [row["workload"] for row in found] == ["w", "w, PyTorch with the heap kept too"]
    for row in found:
        assert (row["ours_ms"], row["peer"], row["peer_ms"], row["ratio"]) == (
            0.1, "PyTorch fast", 0.2, 2.0,
        )  # fmt: skip
        assert row["all_peers_ms"] == {"slow": 0.3, "fast": 0.2} and row["rounds"] == 2
        assert row["peer_compile_s"] == 1.5 and (cores is None or row["cores"] == 1)


def test_a_worker_sees_one_core_and_the_heap_it_is_given(tmp_path, monkeypatch):
    if core_counts((1,)) == [None]:
        pytest.skip("processes cannot be pinned here")
    (tmp_path / "cores_worker.py").write_text(
        "import os; print(len(os.sched_getaffinity(0)) + 10 * ('MALLOC_ARENA_MAX' in os.environ)"
        " + 100 * int(os.environ['OMP_NUM_THREADS']))"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    for heap, answer in ((False, 101), (True, 111)):
        worker = Worker("cores_worker", [], heap, cores=1)
        worker.close()
        assert worker.compile_seconds == answer


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["lstm"], "recurrent-memory"),
        ([], "recurrent"),
        (["recurrent", "--rounds=0"], "rounds"),
        (["recurrent", "--out=/no/such/folder/x.json"], "folder does not exist"),
        (["recurrent-memory", "--only=T 7"], "T 2048"),
    ],
)
def test_user_errors_get_one_sentence_and_status_2(words, message, capsys):
    assert command.main(words) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and "Traceback" not in err


def test_memory_rows_are_printed_written_and_drawn(tmp_path, monkeypatch, capsys):
    def one(steps, form, memory, ms):
        note = "" if ms else "not timed"
        return {"steps": steps, "form": form, "memory_mib": memory, "ms": ms, "note": note}

    whole, chunked = recurrent_memory.FORMS
    rows = [one(10, whole, 8.0, 2.0), one(10, chunked, 1.0, 3.0),
            one(99, whole, 80.0, None), one(99, chunked, 2.0, 30.0)]  # fmt: skip
    benchmark = command.BENCHMARKS["recurrent-memory"]._replace(rows=lambda rounds, only: rows)
    monkeypatch.setitem(command.BENCHMARKS, "recurrent-memory", benchmark)
    assert command.main(["recurrent-memory", f"--out={tmp_path / 'm.json'}"]) == 0
    assert "not timed" in capsys.readouterr().out
    assert json.loads((tmp_path / "m.json").read_text()) == rows
    svg = (tmp_path / "m.svg").read_text()
    assert svg.startswith("<svg") and chunked in svg


@pytest.mark.thorough
def test_chunks_need_less_memory(monkeypatch):
    small = Workload("lstm", 8, steps=0, batch=4, inputs=5, outputs=5, embedding=8)
    monkeypatch.setattr(recurrent_memory, "LSTM", small)
    whole, chunked = (recurrent_memory.bytes_of(form, 1024) for form in recurrent_memory.FORMS)
    assert 10 * chunked < whole


def test_the_memory_picture_is_a_complete_file_with_plain_numbers():
    rows = [{"steps": steps, "form": form, "memory_mib": 0.5 * steps, "ms": 2.0 * steps}
            for steps in (100, 1000, 10_000) for form in recurrent_memory.FORMS]  # fmt: skip
    picture = recurrent_memory.picture(rows)
    assert ElementTree.fromstring(picture).tag.endswith("svg")
    assert ">1,000<" in picture and "$" not in picture
