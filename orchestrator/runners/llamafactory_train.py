"""What starts a LLaMA-Factory training, beneath torchrun or alone: ``llamafactory_train.py train.yaml``.

It does what LLaMA-Factory's own ``launcher.py`` does there (``run_exp()``), but writes a checkpoint to its end when it
is stopped, and has one repair for processes that talk over gloo, that is on CPU. DeepSpeed 0.18
(``partition_parameters._allgather_params_coalesced``) starts several gathers and waits for the last only. NCCL finishes
them in order; gloo has two threads and does not, so under ZeRO-3 a late gather overwrites weights that were just
loaded: half of a matrix is garbage, the loss is NaN, and the exit status is 0. Here every gloo operation is finished
before it is handed out.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.runners.trainer_hooks import finish_checkpoints
else:
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from trainer_hooks import finish_checkpoints

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
    # this folder must not stay on the path: llamafactory.py in it would be found as the package `llamafactory`
    here = Path(__file__).resolve().parent
    sys.path[:] = [path for path in sys.path if Path(path).resolve() != here]
    finish_collectives()
    from llamafactory.train.tuner import run_exp

    finish_checkpoints()
    run_exp()


if __name__ == "__main__":
    main()
