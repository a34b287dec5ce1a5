"""What to do about a failed process: known failures, told from its log and its exit status."""

from __future__ import annotations

import re

# first match wins: the more specific stands first
KNOWN: tuple[tuple[str, str], ...] = (
    # before the hub's: both may say that a name cannot be resolved
    (r"stopped: the server cannot be reached", "check OPENAI_BASE_URL and the network"),
    (
        # torch counts what it wrote, and does not say why that is too little
        r"No space left on device|Errno 28|disk quota exceeded|PytorchStreamWriter failed|unexpected pos \d+ vs \d+",
        "the disk is full: free some space or give another folder with --runs-dir, then run the same command again",
    ),
    (r"File too large|Errno 27\b", "files may not grow so large: raise `ulimit -f`, then run the same command again"),
    (
        r"CUDA out of memory|OutOfMemoryError",
        "the GPU's memory is too small: lower train.micro_batch_size, train.max_length or video.frames, or set "
        "train.deepspeed to zero3 or zero3_offload; in inference lower inference.batch_size",
    ),
    (
        r"can't allocate memory|Cannot allocate memory|\bMemoryError\b|std::bad_alloc|failed to map segment"
        r"|not enough memory|unable to mmap",
        "the machine's memory is too small (or limited, see `ulimit -v`): lower train.micro_batch_size, "
        "train.max_length or video.frames, or give the run more memory",
    ),
    (
        r"hf_transfer' package is not",
        "HF_HUB_ENABLE_HF_TRANSFER asks for a package that the toolkit's environment does not hold: take it out of "
        "resources.env, and unset it",
    ),
    (
        # not `private or gated repo`, which is the hub's hint wherever it finds nothing
        r"access (?:a )?gated repo|GatedRepoError|Access to (?:model|dataset) .* is restricted",
        "the model is gated: accept its licence on its page, then set HF_TOKEN in the environment",
    ),
    (
        r"401 Client Error|Invalid credentials in Authorization|Invalid username or password",
        "the hub knows no such model, or it is private, or HF_TOKEN is wrong: check model.path in the recipe and the "
        "token (`hf auth whoami`)",
    ),
    (
        r"403 Client Error",
        "the hub refuses the model to this token: give HF_TOKEN the right to read it, and accept its licence if it is "
        "gated",
    ),
    (
        r"backend tokenizer from|Can't load tokenizer|no file named (?:model|pytorch_model|adapter_model)",
        "the model's folder is incomplete: model.path must hold config.json, the tokenizer's files and the weights",
    ),
    (
        r"is not a local folder and is not a valid model identifier|Repository Not Found|RepositoryNotFoundError"
        r"|Can't load the configuration of|does not appear to have a file named",
        "the model was not found: check model.path in the recipe (a hub id or a folder with config.json)",
    ),
    (
        r"We couldn't connect to|MaxRetryError|ConnectionError|LocalEntryNotFoundError|Temporary failure in name",
        "the model hub cannot be reached: check the network or HF_ENDPOINT, or set model.path to a local folder",
    ),
    (
        r"BadSample: cannot read the video",
        "a video cannot be read (`data check --videos` names it): mend it, then run the same command again",
    ),
    (
        r"larger than the max_length\(",
        "a training sample is longer than train.max_length: raise it, or lower video.frames",
    ),
    (
        r"the training sample '.*': ",
        "that sample's video cannot be read: mend it (`data check --videos` names all), or set data.on_bad_video",
    ),
    (
        r"Failed to automatically match .template_type",
        "write model.template as type/template, e.g. qwen2_vl/qwen2_vl",
    ),
    (
        r"set model\.trust_remote_code: true",
        "the model brings Python code of its own: set model.trust_remote_code: true if you trust it",
    ),
    (r"samples are (?:longer than|over) train.max_length", "raise train.max_length, or lower video.frames"),
    (
        r"is no projector of this model",
        "model.parts.projector must be the mm_projector.bin that belongs to the parts llm and vision_tower",
    ),
    (
        r"DataLoader worker .* (?:killed by signal: Bus error|exited unexpectedly)|insufficient shared memory",
        "the frames do not fit into /dev/shm: start the container with --shm-size=16g or --ipc=host, or set "
        "train.extra: {dataloader_num_workers: 0}",
    ),
    (
        r"NCCL error|Watchdog caught collective operation timeout|ncclSystemError|ncclInternalError",
        "the GPUs could not talk to each other: set NCCL_DEBUG=INFO under resources.env and read the log",
    ),
    (
        r"No CUDA GPUs are available|no NVIDIA driver|Torch not compiled with CUDA",
        "no GPU was found: run on a machine with one, or set resources.device: cpu",
    ),
    (
        r"ninja: (?:error|build stopped)|Ninja is required|Error building extension"
        r"|g\+\+: not found|command 'g\+\+' failed",
        "DeepSpeed compiles a small extension: install a compiler (Debian: apt-get install g++ ninja-build)",
    ),
)


def advice(text: str, exit_code: int | None) -> str:
    """What to do about a failure, or an empty string where it is none of the known ones.

    Args:
        text: the end of the process's log.
        exit_code: as `subprocess` gives it: negative is the signal that ended the process.
    """
    for pattern, what in KNOWN:
        if re.search(pattern, text, re.IGNORECASE):
            return what
    if exit_code in (-9, 137):
        return (
            "it was killed from outside (SIGKILL), mostly by the kernel when memory ran out: see `dmesg`; "
            "the same command goes on from the last checkpoint"
        )
    return ""
