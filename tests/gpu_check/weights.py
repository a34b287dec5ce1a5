"""Trained weights of two checkpoints, compared."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

ADAPTER = "adapter_model.safetensors"
# of the numbers in a safetensors file; bf16 is the upper half of a float
TYPES = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2")}


def tensors(file: Path) -> dict[str, np.ndarray]:
    """All numbers of a safetensors file as float32, by name."""
    content = file.read_bytes()
    begin = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:begin])
    header.pop("__metadata__", None)
    found = {}
    for name, about in header.items():
        first, last = about["data_offsets"]
        numbers = np.frombuffer(content[begin + first : begin + last], TYPES[about["dtype"]])
        if about["dtype"] == "BF16":
            numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
        found[name] = numbers.astype(np.float32)
    return found


def difference(first: Path, second: Path) -> str:
    """How the adapters of two checkpoints differ, in words."""
    one, other = tensors(first / ADAPTER), tensors(second / ADAPTER)
    if one.keys() != other.keys():
        return f"no: {len(one.keys() ^ other.keys())} tensors are in one of them only"
    unlike = [name for name in one if not np.array_equal(one[name], other[name])]
    if not unlike:
        return "yes, to the bit"
    most = max(float(np.abs(one[name] - other[name]).max()) for name in unlike)
    largest = max(float(np.abs(one[name]).max()) for name in one)
    return (
        f"no: {len(unlike)} of {len(one)} tensors differ, by {most:.2g} at most where weights are up to {largest:.2g}"
    )
