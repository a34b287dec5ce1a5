"""A LLaMA-Factory training, beneath torchrun or alone: ``start.py train.py train.yaml``.

It does what LLaMA-Factory's own ``launcher.py`` does there (``run_exp()``), but writes a checkpoint to its end when it
is stopped, and has one repair for processes that talk over gloo, that is on CPU. DeepSpeed 0.18
(``partition_parameters._allgather_params_coalesced``) starts several gathers and waits for the last only. NCCL finishes
them in order; gloo has two threads and does not, so under ZeRO-3 a late gather overwrites weights that were just
loaded: half of a matrix is garbage, the loss is NaN, and the exit status is 0. Here every gloo operation is finished
before it is handed out.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from orchestrator.inside.trainer_hooks import finish_checkpoints

COLLECTIVES = ("all_gather_into_tensor", "all_gather", "all_reduce", "broadcast", "reduce", "reduce_scatter_tensor")


def finished(collective: Callable[..., Any]) -> Callable[..., Any]:
    """``collective``, whose asynchronous form returns only when it is done."""

    @functools.wraps(collective)
    def call(*args: Any, **kwargs: Any) -> Any:
        work = collective(*args, **kwargs)
        if work is not None and type(work).__name__ != "_IllegalWork":  # the stand-in inside a coalesced group
            work.wait()
        return work

    return call


def finish_collectives() -> None:
    """Patch torch.distributed where there is no GPU."""
    import torch
    import torch.distributed as dist

    if not torch.cuda.is_available() and dist.is_available():
        for name in COLLECTIVES:
            patched = finished(getattr(dist, name))
            for module in (dist, dist.distributed_c10d):
                setattr(module, name, patched)


def main() -> None:
    """Train as the YAML file on the command line says."""
    finish_collectives()
    from llamafactory.train.tuner import run_exp

    finish_checkpoints()
    run_exp()
