"""Starting and ending processes. The commands here are small programs of ours; tests/toolkits has the real ones."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import psutil
import pytest

from orchestrator.environments.environment import Environment
from orchestrator.errors import Interrupted, StageError
from orchestrator.launch.local import Launcher
from orchestrator.machine import processes
from orchestrator.machine.environ import FOREIGN
from orchestrator.machine.logs import LOG
from orchestrator.machine.signals import Stop, heeding
from orchestrator.toolkits.base import Command

# its programs come first on the path
HOME = Environment("llamafactory", Path("/toolkit"), "3.11", {}, "pass")
# a child that leaves its parent's session and process group, as launchers' workers do
ESCAPING = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("started", flush=True)
{then}
"""


def python(code: str, **env: str) -> Command:
    return Command((sys.executable, "-c", textwrap.dedent(code)), env)


def marked(folder: Path) -> list[psutil.Process]:
    return list(processes.marked(processes.STAGE_MARK, str(folder.resolve())))


def wait_until(condition: object, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def test_output_files_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FOREIGN:
        monkeypatch.setenv(name, "foreign")
    command = Command(
        (sys.executable, "-c", "import os; print(open('given.txt').read(), os.getcwd(), dict(os.environ))"),
        {"GIVEN": "yes"},
        {"given.txt": "content"},
    )
    with Launcher() as launcher:
        launcher.run([command], tmp_path, environment=HOME)
        launcher.run([python("print('second')")], tmp_path, environment=HOME)
    log = (tmp_path / LOG).read_text()
    assert log.startswith(f"content {tmp_path.resolve()}")
    assert "'GIVEN': 'yes'" in log
    assert "'PATH': '/toolkit/.venv/bin:" in log
    assert "foreign" not in log
    assert log.endswith("second\n")  # a later attempt is added, not written over


def test_failure_shows_the_log_and_what_to_do(tmp_path: Path) -> None:
    code = "print('one'); print('step 1\\rstep 2'); raise SystemExit('OSError: [Errno 28] No space left on device')"
    with Launcher() as launcher, pytest.raises(StageError) as caught:
        launcher.run([python(code)], tmp_path, environment=HOME)
    message = str(caught.value)
    assert "exit status 1" in message
    assert "| step 2\n" in message
    assert "step 1" not in message
    assert f"whole log: {tmp_path / LOG}" in message
    assert "what to do: the disk is full" in message


def test_an_error_far_above_the_end_of_the_log_is_shown(tmp_path: Path) -> None:
    code = "print('[rank1]: ValueError: no bf16 here'); print('summary\\n' * 20); raise SystemExit(1)"
    with Launcher() as launcher, pytest.raises(StageError) as caught:
        launcher.run([python(code)], tmp_path, environment=HOME)
    assert "    and above that:\n    | ValueError: no bf16 here\n    whole log: " in str(caught.value)


def test_program_that_is_not_there(tmp_path: Path) -> None:
    with Launcher() as launcher, pytest.raises(StageError, match="env build --force llamafactory"):
        launcher.run([Command(("/nowhere/python",))], tmp_path, environment=HOME)


def test_a_machine_that_is_full_is_not_taken_for_a_broken_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Launcher() as launcher:
        launcher.run([python("pass")], tmp_path, environment=HOME)

        def refuse(*_: object, **__: object) -> None:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

        monkeypatch.setattr(subprocess, "Popen", refuse)
        with pytest.raises(StageError, match="Resource temporarily unavailable\n    see what `ulimit -a` says"):
            launcher.run([python("pass")], tmp_path, environment=HOME)


def test_time_limit(tmp_path: Path) -> None:
    with Launcher() as launcher, pytest.raises(StageError, match="longer than"):
        launcher.run([python("import time; time.sleep(600)")], tmp_path, environment=HOME, timeout_seconds=0.5)
    assert not marked(tmp_path)


@pytest.mark.parametrize("then", ["time.sleep(600)", "sys.exit(3)", "pass"])
def test_nothing_is_left_running(tmp_path: Path, then: str) -> None:
    with Launcher() as launcher:
        try:
            launcher.run([python(ESCAPING.format(then=then))], tmp_path, environment=HOME, timeout_seconds=1)
        except StageError:
            assert then != "pass"
    assert not marked(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.usefixtures("signals_arrive")
def test_signals_end_everything(tmp_path: Path, number: signal.Signals) -> None:
    before = signal.getsignal(number)

    def stop() -> None:
        if marked(tmp_path) and "started" in (tmp_path / LOG).read_text():
            os.kill(os.getpid(), number)

    asked = Stop()
    code = python(ESCAPING.format(then="time.sleep(600)"))
    with pytest.raises(Interrupted, match=number.name), heeding(asked), Launcher() as launcher:
        launcher.run([code], tmp_path, environment=HOME, report=stop, stop=asked)
    assert not marked(tmp_path)
    assert signal.getsignal(number) is before


def test_several_run_side_by_side_each_with_its_own_gpus(tmp_path: Path) -> None:
    code = (  # each waits for the other: one after the other would take for ever
        "import os, pathlib, sys, time\n"
        "gpus = os.environ['CUDA_VISIBLE_DEVICES']; pathlib.Path('seen-' + gpus).touch()\n"
        "while len(list(pathlib.Path().glob('seen-*'))) < 2: time.sleep(0.01)\n"
    )
    with Launcher() as launcher:
        gpus = ("4", "GPU-0f", "MIG-6", "7")
        launcher.run([python(code), python(code)], tmp_path, environment=HOME, gpus=gpus, timeout_seconds=30)
    assert {path.name for path in tmp_path.glob("seen-*")} == {"seen-4,GPU-0f", "seen-MIG-6,7"}


def test_one_of_several_that_fails_ends_the_others(tmp_path: Path) -> None:
    with Launcher() as launcher, pytest.raises(StageError, match="exit status 3"):
        launcher.run(
            [python("import time; time.sleep(600)"), python("raise SystemExit(3)")], tmp_path, environment=HOME
        )
    assert not marked(tmp_path)


def test_advice_is_about_this_attempt(tmp_path: Path) -> None:
    with Launcher() as launcher:
        for code in ("raise SystemExit('No space left on device')", "raise SystemExit('KeyError: x')"):
            with pytest.raises(StageError) as caught:
                launcher.run([python(code)], tmp_path, environment=HOME)
    assert "No space left" not in str(caught.value)
    assert "what to do" not in str(caught.value)


def test_a_watchdog_that_was_killed_is_replaced_before_the_next_launch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    start = processes.start_watchdog
    monkeypatch.setattr(processes, "start_watchdog", lambda *given: started.append(start(*given)) or started[-1])
    with Launcher() as launcher:
        launcher.run([python("pass")], tmp_path, environment=HOME)
        launcher.run([python("pass")], tmp_path, environment=HOME)
        assert len(started) == 1
        started[0].kill()
        started[0].wait()
        launcher.run([python("pass")], tmp_path, environment=HOME)
    assert len(started) == 2


def test_nothing_is_launched_that_nobody_watches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with Launcher() as launcher, pytest.raises(StageError, match=r"does not start: it says nothing\n.*ulimit -a"):
        launcher.run([Command(("touch", "ran"))], tmp_path, environment=HOME)
    assert not (tmp_path / "ran").exists()


def test_kill_9_of_the_orchestrator_leaves_nothing(tmp_path: Path) -> None:
    program = f"""
    from pathlib import Path
    from orchestrator.environments.environment import Environment
    from orchestrator.launch.local import Launcher
    from orchestrator.toolkits.base import Command
    with Launcher() as launcher:
        launcher.run([Command(({sys.executable!r}, "-c", {ESCAPING.format(then="time.sleep(600)")!r}))],
                     Path({str(tmp_path)!r}), environment=Environment("toy", Path("/toolkit"), "3.11", {{}}, "pass"))
    """
    orchestrator = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)])
    wait_until(lambda: len(marked(tmp_path)) == 2)
    orchestrator.kill()
    orchestrator.wait(30)
    wait_until(lambda: not marked(tmp_path))


# half a second after SIGTERM it has written its file
WRITING = """
import pathlib, signal, sys, time
def finish(*_):
    time.sleep(0.5)
    pathlib.Path("written").touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, finish)
print("on", flush=True)
time.sleep(600)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("on", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize(("grace", "written"), [(20, True), (0.1, False), (0, False)])
def test_a_process_has_the_grace_that_was_asked_for(tmp_path: Path, grace: float, written: bool) -> None:
    with Launcher() as launcher, pytest.raises(StageError, match="longer than"):
        launcher.run([python(WRITING)], tmp_path, environment=HOME, timeout_seconds=1, grace=grace)
    assert (tmp_path / LOG).read_text() == "on\n"
    assert (tmp_path / "written").exists() == written
    assert not marked(tmp_path)


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.usefixtures("signals_arrive")
def test_a_second_signal_ends_at_once_what_takes_its_time(tmp_path: Path, second: signal.Signals) -> None:
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        os.kill(os.getpid(), second)

    def stop() -> None:
        if "on" in (tmp_path / LOG).read_text():
            os.kill(os.getpid(), signal.SIGINT)

    started = time.monotonic()
    asked = Stop()
    with pytest.raises(Interrupted, match="SIGINT"), heeding(asked), Launcher() as launcher:
        launcher.run([python(STUBBORN)], tmp_path, environment=HOME, report=stop, say=say, stop=asked, grace=300)
    assert asked.reason == f"stopped by {second.name}"
    assert time.monotonic() - started < 60
    assert not marked(tmp_path)
    waits = f"waiting up to 300 s for {tmp_path.name} to finish what it writes"
    assert said == [f"{waits} (resources.stop_grace_seconds); Ctrl-C ends it at once"]


@pytest.mark.usefixtures("signals_arrive")
def test_what_a_signal_to_all_ends_has_not_failed(tmp_path: Path) -> None:
    """Slurm signals every process of a job at once: the toolkit ends before anybody here asked it to."""
    asked = Stop()
    program = "import os, signal; os.kill(os.getppid(), signal.SIGTERM); os.kill(os.getpid(), signal.SIGTERM)"
    with heeding(asked), Launcher() as launcher:
        done: list[BaseException] = []

        def run() -> None:
            try:
                launcher.run([python(program)], tmp_path, environment=HOME, stop=asked)
            except BaseException as error:
                done.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    assert [type(error) for error in done] == [Interrupted], done


@pytest.mark.usefixtures("signals_arrive")
def test_what_ends_at_once_is_not_waited_for(tmp_path: Path) -> None:
    said: list[str] = []
    started = time.monotonic()
    code = python("import time; time.sleep(600)")
    with Launcher() as launcher, pytest.raises(StageError, match="longer than"):
        launcher.run([code], tmp_path, environment=HOME, say=said.append, timeout_seconds=0.5, grace=300)
    assert said == []
    assert time.monotonic() - started < 60
