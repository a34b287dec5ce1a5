"""What is advised for what a log says."""

from __future__ import annotations

import re

import pytest

from orchestrator.environments.places import toolkit_names
from orchestrator.launch import diagnose


@pytest.mark.parametrize(
    ("text", "code", "expected"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate", 1, "micro_batch_size"),
        ("RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory", 1, "ulimit"),
        ("OSError: x is not a local folder and is not a valid model identifier", 1, "model.path"),
        ("You are trying to access a gated repo.", 1, "HF_TOKEN"),
        (
            "OSError: Access to model meta-llama/x is restricted and you are not in the list. 403 Client Error.",
            1,
            "gated",
        ),
        ("huggingface_hub.errors.GatedRepoError: 401 Client Error. Cannot access gated repo for url", 1, "gated"),
        (
            "401 Client Error. Repository Not Found. Are you accessing a private or gated repo?",
            1,
            "or it is private, or",
        ),
        (
            "x is not a local folder and is not a valid model identifier; if it is a private or gated repo, ...",
            1,
            "was not found",
        ),
        (
            "HfHubHTTPError: 401 Client Error: Unauthorized. Invalid credentials in Authorization header",
            1,
            "auth whoami",
        ),
        ("HfHubHTTPError: 403 Client Error: Forbidden", 1, "the right to read it"),
        ("(HF_HUB_ENABLE_HF_TRANSFER=1) but 'hf_transfer' package is not available", 1, "unset it"),
        ("RuntimeError: DataLoader worker (pid 7) is killed by signal: Bus error.", 1, "/dev/shm"),
        ("OSError: [Errno 28] No space left on device", 1, "the disk is full"),
        # torch.save on a full disk, and into an archive that ends too early
        ("RuntimeError: [enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534", 1, "the disk is full"),
        ("[enforce fail at inline_container.cc:471] . PytorchStreamReader failed reading zip archive", 1, ""),
        ("SafetensorError: Error while serializing: I/O error: File too large (os error 27)", 1, "ulimit -f"),
        ("Killed", -9, "SIGKILL"),
        ("something nobody saw before", 1, ""),
    ],
)
def test_advice(text: str, code: int, expected: str) -> None:
    advice = diagnose.advice(text, code)
    assert expected in advice
    assert bool(advice) == bool(expected)


@pytest.mark.parametrize(
    ("toolkit", "text", "expected"),
    [
        (
            "videollama2",
            "ValueError: p.bin is no projector of this model: it lacks 2 weights, e.g. x",
            "parts.projector",
        ),
        ("swift", "MaxLengthError: Current length of row(1500) is larger than the max_length(1024).", "max_length"),
        ("swift", "the training sample '/v/a.mp4': ClipError: no frame (ValueError while reading /v/a.mp4)", "on_bad"),
        ("swift", "ValueError: the training sample '/v/a.mp4': DECORDError: [1] /v/a.mp4: no stream", "on_bad_video"),
        ("swift", "ValueError: the training sample '/v/a.mp4': AssertionError: ", "docs/families.md"),
        ("swift", "ValueError: the training sample 'She said': KeyError: 'input_ids'", "docs/families.md"),
        ("llamafactory", "RuntimeError: stack expects each tensor to be equal size, but got", "micro_batch_size"),
        ("openai_api", "stopped: the server cannot be reached (ConnectionError)", "OPENAI_BASE_URL"),
    ],
)
def test_a_toolkits_own_failures_come_first(toolkit: str, text: str, expected: str) -> None:
    assert expected in diagnose.advice(text, 1, toolkit)
    assert expected not in diagnose.advice(text, 1)
    assert "disk is full" in diagnose.advice("No space left on device", 1, toolkit)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("RuntimeError: DefaultCPUAllocator: can't allocate memory", "the machine's memory is too small"),
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("ValueError: cannot be decoded", "on_bad_video"),
    ],
)
def test_a_sample_is_not_blamed_for_the_machine(error: str, expected: str) -> None:
    said = f"ValueError: the training sample 'memory.mp4': {error}"
    assert expected in diagnose.advice(said, 1, "swift")


def test_every_known_failure_is_a_pattern_with_advice() -> None:
    for toolkit in (None, *toolkit_names()):
        for failure in diagnose.known_failures(toolkit):
            assert re.compile(failure.log)
            assert failure.advice == failure.advice.strip()


ABOVE = """[rank1]: Traceback (most recent call last):
[rank1]: ValueError: no bf16 here
    raise ValueError(message)
ValueError: no bf16 here
KeyError"""
TORCHRUN = """    raise ChildFailedError(
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
train.py FAILED
  exitcode  : 1 (pid: 7)
  traceback : To enable traceback see: https://pytorch.org/docs/stable/elastic/errors.html"""


def test_errors_above_what_a_launcher_says_at_its_end_are_told() -> None:
    assert diagnose.errors(f"{ABOVE}\n{TORCHRUN}", TORCHRUN) == ["ValueError: no bf16 here", "KeyError"]
    assert diagnose.errors(f"{ABOVE}\n{TORCHRUN}\n{ABOVE}", ABOVE) == []
    assert diagnose.errors(TORCHRUN, TORCHRUN) == []
    assert diagnose.errors("an Error: in a sentence\nno Exception was raised\n", "") == []
