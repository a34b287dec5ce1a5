"""The hub: which library speaks to it, at which address, and what its errors mean to a user."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

from orchestrator.errors import InputError, OrchestratorError, masked
from orchestrator.machine.optional import optional

USUAL = "https://huggingface.co"
_told: set[str | None] = set()


def hub() -> Any:
    """huggingface_hub, which is an optional dependency.

    Raises:
        InputError: it is not installed, or cannot be loaded.
    """
    # else it first asks the hub for a list of coding agents, to report which of them started it
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.pop("HF_HUB_ENABLE_HF_TRANSFER", None)  # of no use any more, which the library would tell at length
    return optional("huggingface_hub", "downloading needs huggingface_hub", "hub")


def endpoint() -> str | None:
    """The address in HF_ENDPOINT; ``None`` for the library's own."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or None


def tell_token(say: Callable[[str], None]) -> None:
    """Say where the token in HF_TOKEN goes, before anything is asked there; an address is told once."""
    given = endpoint()
    if os.environ.get("HF_TOKEN") and given not in _told:
        _told.add(given)
        say(f"HF_TOKEN goes to {masked(given or USUAL)}{' (HF_ENDPOINT)' if given else ''}")


@contextlib.contextmanager
def errors_explained(repository: str, revision: str, kind: str = "data set") -> Iterator[None]:
    """Turn the hub's errors into messages that say what to do; none shows an address, which may hold a secret.

    Raises:
        InputError: the repository or the revision does not exist, or is not for this user.
        OrchestratorError: the hub cannot be reached, or gave no good answer; or writing failed.
    """
    hub()
    from huggingface_hub import errors

    again = "run the same command again: it goes on where it stopped"
    try:
        yield
    except errors.OfflineModeIsEnabled as error:
        raise OrchestratorError("HF_HUB_OFFLINE is set, so nothing can be downloaded\n    unset it") from error
    except errors.GatedRepoError as error:
        hint = "ask for access on its page, then log in (`hf auth login`) or set HF_TOKEN"
        raise InputError(f"{repository} is gated, and you have no access", hint=hint) from error
    except errors.RevisionNotFoundError as error:
        hint = "try --revision main" if kind == "data set" else "see model.revision"
        raise InputError(f"{repository} has no revision `{revision}`", hint=hint) from error
    except errors.RepositoryNotFoundError as error:
        if error.response.status_code == 401:
            hint = "check the name and the token (`hf auth whoami`): log in again, or set or unset HF_TOKEN"
            message = f"the hub has no {kind} {repository}, or it is private, or the token is wrong (401)"
            raise InputError(message, hint=hint) from error
        hint = "if it is private, set HF_TOKEN; if HF_ENDPOINT is set, see whether that mirror has it"
        raise InputError(f"the hub has no {kind} {repository}, or not for you", hint=hint) from error
    except errors.HfHubHTTPError as error:
        code = error.response.status_code
        why = {401: "the token is not valid", 403: "no access", 429: "too many requests, wait a little"}
        raise OrchestratorError(f"the hub answers {code}: {why.get(code, 'it has trouble')}\n    {again}") from error
    except OSError as error:
        if error.errno is None:  # the hub's own: a short file, an answer without what must be in it
            reason = str(error).split("\n")[0].split("http")[0].strip()
            raise OrchestratorError(f"the download broke off: {reason}\n    {again}") from error
        raise OrchestratorError(f"writing failed: {error.strerror}\n    {again}") from error
    except Exception as error:
        # the errors of the HTTP library beneath, whose name differs between versions of huggingface_hub
        if not any(base.__name__ == "TransportError" for base in type(error).__mro__):
            raise
        raise OrchestratorError(
            f"the hub cannot be reached ({type(error).__name__})\n    is this machine online? A mirror is set with "
            f"HF_ENDPOINT; then {again}"
        ) from error
