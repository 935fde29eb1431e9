"""PyTorch is asked in a process of its own, whatever importing it does there."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlmplug.doctor.torch_report import TorchReport, TorchUnusableError, read_torch_report

pytest.importorskip("torch")


def test_the_installed_pytorch() -> None:
    from importlib import metadata

    report = read_torch_report()
    assert report.version.partition("+")[0] == metadata.version("torch").partition("+")[0]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise OSError('libcudart.so.12: cannot open shared object file')", "libcudart.so.12"),
        ("import os; os._exit(5)", "exit code 5"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "killed by signal 11"),
        ("import time; time.sleep(600)", "did not end within 3 s"),
    ],
)
def test_a_pytorch_that_cannot_be_imported(
    code: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(TorchUnusableError, match=words):
        read_torch_report(3)


FAKE = """
print("noise on the standard output")
__version__ = "2.99+cu130"
class version:
    cuda, hip = "13.0", None
class Gpu:
    name, major, minor, total_memory = "Fake", 9, 0, 1024
class cuda:
    @staticmethod
    def device_count(): return 2
    @staticmethod
    def get_device_properties(number):
        if number: raise RuntimeError("the second one is broken")
        return Gpu
    @staticmethod
    def get_arch_list(): return ["sm_90"]
"""


def test_what_a_pytorch_for_cuda_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text(FAKE)
    monkeypatch.syspath_prepend(str(tmp_path))
    report = read_torch_report()
    assert report == TorchReport("2.99+cu130", "13.0", None, ("sm_90",), report.gpus, "the second one is broken")
    assert [(gpu.name, gpu.capability, gpu.total) for gpu in report.gpus] == [("Fake", (9, 0), 1024)]
