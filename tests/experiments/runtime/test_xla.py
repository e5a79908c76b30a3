"""The reductions that jaxlib 0.10.2 and 0.11.0 miscompile, and the flag that avoids it."""

import os
import subprocess
import sys
import warnings

import jax
import pytest

from experiments.runtime import xla

EMPTY = xla.FLAG + "="

CHECK = "from experiments.runtime import xla; raise SystemExit(not xla.reductions_are_right())"


def test_sums_over_many_rows_are_correct():
    without_flags = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    subprocess.run([sys.executable, "-c", CHECK], env=without_flags, check=True)


def test_the_check_finds_the_fault_in_a_faulty_version(tmp_path):
    if xla.jaxlib_version() not in xla.FAULTY:
        pytest.skip("needs a jaxlib that has the fault")
    flags = tmp_path / "flags"  # a file is not changed, so no workaround is added
    flags.touch()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHECK], env=os.environ | {"XLA_FLAGS": str(flags)}
    )
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("flags", "version", "expected"),
    [
        ("", "0.10.2", EMPTY),
        ("", "0.11.0", EMPTY),
        ("--xla_one=1", "0.10.2", f"--xla_one=1 {EMPTY}"),
        (EMPTY + "reduce", "0.10.2", EMPTY + "reduce"),  # the user's own choice is kept
        ("", "0.10.1", ""),
        ("", "0.12.0", ""),
        ("", None, ""),
    ],
)
def test_flag_is_added_for_faulty_versions_only(flags, version, expected):
    assert xla.with_workaround(flags, version) == expected


@pytest.fixture
def faulty(monkeypatch):
    monkeypatch.setattr(xla, "jaxlib_version", lambda: "0.10.2")
    monkeypatch.setattr(xla, "backend_started", lambda: False)
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    return monkeypatch


def test_environment_is_set_once(faulty):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        xla.avoid_miscompiled_reductions()
        xla.avoid_miscompiled_reductions()
    assert os.environ["XLA_FLAGS"] == EMPTY


def test_determinism_is_added_to_other_flags(faulty):
    faulty.setenv("XLA_FLAGS", EMPTY)
    xla.make_deterministic()
    xla.make_deterministic()
    assert os.environ["XLA_FLAGS"] == f"{EMPTY} --xla_gpu_deterministic_ops=true"
    faulty.setenv("XLA_FLAGS", "--xla_gpu_deterministic_ops=false")
    xla.make_deterministic()
    assert os.environ["XLA_FLAGS"] == "--xla_gpu_deterministic_ops=false"


def test_a_warning_if_jax_has_started(faulty):
    faulty.setattr(xla, "backend_started", lambda: True)
    with pytest.warns(RuntimeWarning, match="JAX has started already"):
        xla.avoid_miscompiled_reductions()
    assert "XLA_FLAGS" not in os.environ


def test_a_file_of_flags_is_not_changed(faulty):
    faulty.setenv("XLA_FLAGS", "flags.txt")
    with pytest.warns(RuntimeWarning, match="flags.txt"):
        xla.avoid_miscompiled_reductions()
    assert os.environ["XLA_FLAGS"] == "flags.txt"


def test_backend_started():
    script = (
        "import jax, experiments.runtime.xla as xla\n"
        "assert not xla.backend_started()\n"
        "jax.devices()\n"
        "assert xla.backend_started()\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_call_once_gives_the_same_numbers():
    def drawn(key):
        keys = jax.random.split(key)
        return jax.random.normal(keys[0], (50, 3)) / 7, jax.random.uniform(keys[1], (99,)) - 0.5

    ours = xla.call_once(drawn, jax.random.key(0))
    theirs = jax.jit(drawn)(jax.random.key(0))
    assert all((a == b).all() for a, b in zip(ours, theirs, strict=True))
    shapes = jax.eval_shape(lambda: xla.call_once(drawn, jax.random.key(0)))
    assert [leaf.shape for leaf in shapes] == [(50, 3), (99,)]


@pytest.mark.parametrize("least", [False, True])
def test_call_once_optimises_less_unless_jax_is_configured_so_already(least, monkeypatch):
    jit, compiler_options = jax.jit, []

    def recording_jit(function, **options):
        compiler_options.append(options["compiler_options"])
        return jit(function, **options)

    monkeypatch.setattr(jax, "jit", recording_jit)
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", least)
    try:
        assert xla.call_once(lambda x: x + 1, 1) == 2
    finally:
        jax.config.update("jax_disable_most_optimizations", before)
    assert compiler_options == [None if least else {"xla_backend_optimization_level": 1}]
