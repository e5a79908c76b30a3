"""What the doctor finds on this machine and on broken ones."""

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


def remedies(findings):
    """The remedies for what is wrong."""
    return [finding.remedy for finding in findings if finding.remedy]


def test_this_machine_is_sound():
    found, _ = doctor.run_probe()
    assert found == SOUND | {"devices": found["devices"]}
    findings = list(doctor.check_jax(found, ""))
    assert remedies(findings) == [] and findings[0].text.startswith("cpu: ")
    assert remedies(doctor.check_packages(doctor.requirements())) == []


def test_it_works_without_any_package():
    done = subprocess.run(
        [sys.executable, "-S", "-P", "-m", "experiments.launch.doctor"],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1 and done.stderr == ""
    assert "not installed: jaxlib, jax, flax" in done.stdout and "./launch.sh setup" in done.stdout
    assert "jax         does not start: it is not installed" in done.stdout
    assert "data        cannot be checked" in done.stdout and "GiB free" in done.stdout


def test_packages_that_are_old_or_missing():
    findings = list(doctor.check_packages({"jax": "99.1", "no-such-package": "1.0"}))
    assert remedies(findings) == [doctor.REINSTALL] * 2
    assert "not installed: no-such-package" in findings[1].text and "99.1" in findings[2].text
    assert doctor.version_numbers("0.12.0rc1") > doctor.version_numbers("0.9.15")


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"reductions": False}, xla.FLAG),
        ({"product": False}, "JAX_PLATFORMS=cpu"),
        ({"import_error": "ImportError: flax"}, ".venv"),
    ],
)
def test_what_computes_wrongly_is_reported_with_a_remedy(changes, remedy):
    (only,) = remedies(doctor.check_jax(SOUND | changes, ""))
    assert remedy in only


def test_a_jaxlib_that_crashes(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    found, last = doctor.run_probe()
    assert found is None and remedies(doctor.check_jax(found, last)) == [doctor.REINSTALL]


@pytest.mark.parametrize(
    ("cuda", "platforms", "plugin", "remedy"),
    [
        (12, None, None, "UNFOLD_EXTRAS=cuda12 ./launch.sh setup"),
        (14, None, None, "UNFOLD_EXTRAS=cuda13 ./launch.sh setup"),
        (11, None, None, "update the driver"),
        (12, "cpu", None, "unset JAX_PLATFORMS"),
        (12, None, "0.10", "nvidia-smi"),
    ],
)
def test_a_gpu_that_is_not_used(monkeypatch, cuda, platforms, plugin, remedy):
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    if platforms:
        monkeypatch.setenv("JAX_PLATFORMS", platforms)
    monkeypatch.setattr(doctor, "installed", lambda name: plugin)
    (only,) = remedies(doctor.check_gpu(cuda, SOUND, ""))
    assert remedy in only
    assert list(doctor.check_gpu(cuda, SOUND | {"platform": "gpu"}, "")) == []
    assert list(doctor.check_gpu(None, SOUND, "")) == []


def test_the_drivers_cuda_version_is_read(monkeypatch, tmp_path):
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
    """The only data set is one of two files."""
    files = tuple(
        RawFile("greek", name, (f"https://example.org/{name}",), 4,
                hashlib.sha256(name.encode()).hexdigest())
        for name in ("alfa", "beta")
    )  # fmt: skip
    monkeypatch.setattr(published, "DATASETS", {"greek": files})
    return files


def test_data_files_are_verified(two_files, tmp_path):
    (tmp_path / "greek").mkdir()

    def report():
        findings = list(doctor.check_data(str(tmp_path / "prepared"), str(tmp_path)))
        return "\n".join(finding.text for finding in findings), len(remedies(findings))

    assert report() == (f"{tmp_path}: complete and verified: nothing\n"
                        "not present (no default needs them; each is downloaded when it is named "
                        "without a raw folder): greek (0.0 MB)", 0)  # fmt: skip
    (tmp_path / "greek" / "alfa").write_text("alfa")
    assert report() == (f"{tmp_path}: complete and verified: nothing\n"
                        "greek: 1 of 2 files are present", 0)  # fmt: skip
    (tmp_path / "greek" / "beta").write_text("bets")
    text, count = report()
    assert count == 1 and f"{tmp_path}/greek/beta is a different file" in text
    (tmp_path / "greek" / "beta").write_text("beta")
    assert report() == (f"{tmp_path}: complete and verified: greek", 0)


def test_what_can_be_downloaded_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("UNFOLD_RAW_DIR", raising=False)
    text = "\n".join(finding.text for finding in doctor.check_data(str(tmp_path), ""))
    assert "is downloaded when it is named): mnist (11.6 MB), " in text
    assert all(name in text for name in published.DATASETS)


def test_a_raw_folder_that_does_not_exist(tmp_path):
    (remedy,) = remedies(doctor.check_data("", str(tmp_path / "nowhere")))
    assert "--raw_dir" in remedy


def test_free_space_is_measured():
    assert len(remedies(doctor.check_space(2**20, 2**20))) == 2
    assert remedies(doctor.check_space(2**40, None)) == []
    assert doctor.free_memory() is None or doctor.free_memory() > 2**20


@pytest.mark.parametrize("word", ["now", "--raw_dir", "--workdir=x"])
def test_other_arguments_are_refused(word, capsys):
    assert doctor.main([word]) == 2
    assert "--raw_dir=FOLDER" in capsys.readouterr().err
