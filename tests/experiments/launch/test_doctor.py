"""What the doctor finds, of the true machine and of broken ones."""

import hashlib
import os
import pathlib
import subprocess
import sys

import pytest

from data import published
from data.raw import RawFile
from experiments.launch import doctor
from experiments.runtime import xla

ROOT = pathlib.Path(__file__).resolve().parents[3]
SOUND = {"platform": "cpu", "devices": ["cpu", "cpu"], "product": True, "reductions": True,
         "import_error": ""}  # fmt: skip


def wrong(findings):
    """The cures of what is wrong."""
    return [finding.cure for finding in findings if finding.cure]


def test_what_jax_says_of_this_machine():
    found, _ = doctor.probed()
    assert found == SOUND | {"devices": found["devices"]}
    findings = list(doctor.computing(found, ""))
    assert wrong(findings) == [] and findings[0].said.startswith("cpu: ")
    assert wrong(doctor.packages(doctor.requirements())) == []


def test_without_any_package_it_still_speaks():
    done = subprocess.run(
        [sys.executable, "-S", "-P", "-m", "experiments.launch.doctor"],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1 and done.stderr == ""
    assert "not installed: jaxlib, jax, flax" in done.stdout and "./launch.sh setup" in done.stdout
    assert "jax         does not start: it is not installed" in done.stdout
    assert "data        cannot be looked at" in done.stdout and "GiB free" in done.stdout


def test_packages_that_are_old_or_missing():
    findings = list(doctor.packages({"jax": "99.1", "no-such-package": "1.0"}))
    assert wrong(findings) == [doctor.ANEW] * 2
    assert "not installed: no-such-package" in findings[1].said and "99.1" in findings[2].said
    assert doctor.numbers("0.12.0rc1") > doctor.numbers("0.9.15")


@pytest.mark.parametrize(
    ("changes", "cure"),
    [
        ({"reductions": False}, xla.FLAG),
        ({"product": False}, "JAX_PLATFORMS=cpu"),
        ({"import_error": "ImportError: flax"}, ".venv"),
    ],
)
def test_what_computes_wrongly_is_told_with_a_cure(changes, cure):
    (only,) = wrong(doctor.computing(SOUND | changes, ""))
    assert cure in only


def test_a_jaxlib_that_ends_its_process(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    found, last = doctor.probed()
    assert found is None and wrong(doctor.computing(found, last)) == [doctor.ANEW]


@pytest.mark.parametrize(
    ("cuda", "platforms", "plugin", "cure"),
    [
        (12, None, None, "UNFOLD_EXTRAS=cuda12 ./launch.sh setup"),
        (14, None, None, "UNFOLD_EXTRAS=cuda13 ./launch.sh setup"),
        (11, None, None, "driver up to date"),
        (12, "cpu", None, "unset JAX_PLATFORMS"),
        (12, None, "0.10", "nvidia-smi"),
    ],
)
def test_a_gpu_that_is_not_used(monkeypatch, cuda, platforms, plugin, cure):
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    if platforms:
        monkeypatch.setenv("JAX_PLATFORMS", platforms)
    monkeypatch.setattr(doctor, "installed", lambda name: plugin)
    (only,) = wrong(doctor.accelerator(cuda, SOUND, ""))
    assert cure in only
    assert list(doctor.accelerator(cuda, SOUND | {"platform": "gpu"}, "")) == []
    assert list(doctor.accelerator(None, SOUND, "")) == []


def test_the_driver_is_asked(monkeypatch, tmp_path):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '| CUDA Version: 12.4 |'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert doctor.driver() == 12
    program.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor.driver() is None


@pytest.fixture
def two_files(monkeypatch):
    """A data set of two files, as the only one."""
    files = tuple(
        RawFile("greek", name, (f"https://example.org/{name}",), 4,
                hashlib.sha256(name.encode()).hexdigest())
        for name in ("alfa", "beta")
    )  # fmt: skip
    monkeypatch.setattr(published, "DATASETS", {"greek": files})
    return files


def test_sums_of_data_are_checked(two_files, tmp_path):
    (tmp_path / "greek").mkdir()

    def said():
        findings = list(doctor.data_folders(str(tmp_path / "prepared"), str(tmp_path)))
        return "\n".join(finding.said for finding in findings), len(wrong(findings))

    assert said() == (f"{tmp_path}: sums are right of nothing yet\n"
                      "not there, downloaded when asked for by name where no raw folder is given; "
                      "no default needs them: greek (0.0 MB)", 0)  # fmt: skip
    (tmp_path / "greek" / "alfa").write_text("alfa")
    assert said() == (f"{tmp_path}: sums are right of nothing yet\n"
                      "greek: 1 of 2 files are there", 0)  # fmt: skip
    (tmp_path / "greek" / "beta").write_text("bets")
    text, count = said()
    assert count == 1 and f"{tmp_path}/greek/beta is a different file" in text
    (tmp_path / "greek" / "beta").write_text("beta")
    assert said() == (f"{tmp_path}: sums are right of greek", 0)


def test_what_can_be_downloaded_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("UNFOLD_RAW_DIR", raising=False)
    text = "\n".join(finding.said for finding in doctor.data_folders(str(tmp_path), ""))
    assert "not there, downloaded when asked for by name; no default needs them: mnist (" in text
    assert all(name in text for name in published.DATASETS)


def test_a_raw_folder_that_is_not_there(tmp_path):
    (cure,) = wrong(doctor.data_folders("", str(tmp_path / "nowhere")))
    assert "--raw_dir" in cure


def test_room_is_measured():
    assert len(wrong(doctor.room(2**20, 2**20))) == 2
    assert wrong(doctor.room(2**40, None)) == []
    assert doctor.free_memory() is None or doctor.free_memory() > 2**20


@pytest.mark.parametrize("word", ["now", "--raw_dir", "--workdir=x"])
def test_other_words_are_a_mistake(word, capsys):
    assert doctor.main([word]) == 2
    assert "--raw_dir=FOLDER" in capsys.readouterr().err
