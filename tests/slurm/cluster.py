"""A real Slurm on this machine alone: a controller, two nodes of eight made-up GPUs each, no accounting, no slurmdbd.

``python -m tests.slurm.cluster start FOLDER``, a new folder, prints the line that makes a shell use it; ``stop FOLDER``
ends it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

# what each is part of in Debian and Ubuntu
PACKAGES = {"slurmctld": "slurmctld", "slurmd": "slurmd", "sbatch": "slurm-client", "munged": "munge"}
NODES, GPUS, CPUS = ("n1", "n2"), 8, 32
# the last first: the nodes say goodbye to the controller, and all sign what they say with munge
DAEMONS = ("munged", "slurmctld", *(f"slurmd.{node}" for node in NODES))
START_SECONDS, COMMAND_SECONDS, END_SECONDS = 60, 20, 10
# `cred_expire` is also how long a job that is put back into the queue waits: 120 s by default, and 5 s is the least.
# That each node has more CPUs than this machine is believed (config_overrides).
CONF = """\
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock,cred_expire=5
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/log/slurmctld
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmdSpoolDir={folder}/%n
SlurmdLogFile={folder}/log/slurmd.%n
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
GresTypes=gpu
MpiDefault=none
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=100
ReturnToService=2
KillWait=10
MaxArraySize=1001
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
{nodes}
PartitionName=main Nodes={names} Default=YES MaxTime=INFINITE PriorityTier=1 GraceTime=20
PartitionName=high Nodes={names} MaxTime=INFINITE PriorityTier=10
"""
NODE = (
    "NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs={cpus} RealMemory=16000 Gres=gpu:{gpus}"
)


def lacking() -> str:
    """Why there can be no cluster on this machine; empty if there can."""
    if os.geteuid() != 0:
        return "a Slurm of its own takes root: its nodes start jobs as the user who submits them"
    missing = [package for program, package in PACKAGES.items() if not shutil.which(program, path=_path())]
    return f"Slurm is not installed: apt-get install {' '.join(missing)}" if missing else ""


@dataclass(frozen=True)
class Cluster:
    """A cluster whose configuration, state and logs lie in a folder."""

    folder: Path

    @property
    def conf(self) -> Path:
        """What the environment variable ``SLURM_CONF`` names."""
        return self.folder / "slurm.conf"

    def environment(self) -> dict[str, str]:
        """The environment variables of a shell that uses this cluster, and no other."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))}
        return kept | {"SLURM_CONF": str(self.conf), "PATH": _path()}

    def command(self, *words: object, seconds: float = COMMAND_SECONDS) -> str:
        """What a command of Slurm's says; it must end well, and in time."""
        done = self._run(*words, seconds=seconds)
        assert done.returncode == 0, f"{words}: {done.stderr}\n{self.tail()}"
        return done.stdout

    def jobs(self, *options: str, form: str = "%i %T") -> list[str]:
        """A line for each job and each part of an array that is in the queue."""
        return self.command("squeue", "--noheader", "--array", "--format", form, *options).splitlines()

    def start(self) -> None:
        """Start the daemons, and wait until both nodes take jobs.

        Raises:
            AssertionError: they do not; it ends with the daemons' logs.
        """
        for folder in ("log", "state", *NODES):
            (self.folder / folder).mkdir(parents=True)
        self.folder.chmod(0o755)  # munge wants its socket to be within reach
        # a GPU must be a device: else no job is told which it has
        for number in range(GPUS):
            os.mknod(self.folder / f"gpu{number}", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        controller, *ports = _free_ports(1 + len(NODES))
        nodes = [NODE.format(name=n, port=p, cpus=CPUS, gpus=GPUS) for n, p in zip(NODES, ports, strict=True)]
        text = CONF.format(controller=controller, folder=self.folder, nodes="\n".join(nodes), names=",".join(NODES))
        self.conf.write_text(text)
        gres = f"NodeName={','.join(NODES)} Name=gpu File={self.folder}/gpu[0-{GPUS - 1}]\n"
        (self.folder / "gres.conf").write_text(gres)
        files = {"socket": "munge.sock", "key-file": "munge.key", "pid-file": "munged.pid", "log-file": "log/munged"}
        options = [f"--{name}={self.folder / file}" for name, file in files.items()]
        # forced: it is no matter of ours who may write in the folders above
        self._daemon("munged", "--force", *options, f"--seed-file={self.folder / 'seed'}")
        self._daemon("slurmctld", "-c")
        self._until(lambda: self._run("scontrol", "ping", seconds=5).returncode == 0)
        for node in NODES:
            self._daemon("slurmd", "-N", node)
        idle = ("sinfo", "--noheader", "--partition", "main", "--states", "idle", "--format", "%D")
        self._until(lambda: self._run(*idle, seconds=5).stdout.strip() == str(len(NODES)))

    def stop(self) -> None:
        """End all jobs, then the daemons, and remove the folder."""
        with contextlib.suppress(subprocess.TimeoutExpired, OSError):
            self._run("scancel", "--user", "root")
            self._until(lambda: not self._run("squeue", "--noheader").stdout, END_SECONDS)
        for name in reversed(DAEMONS):
            with contextlib.suppress(OSError, ValueError, psutil.NoSuchProcess):
                process = psutil.Process(int((self.folder / f"{name}.pid").read_text()))
                for end in (process.terminate, process.kill):
                    end()
                    with contextlib.suppress(psutil.TimeoutExpired):
                        process.wait(END_SECONDS)
                        break
        shutil.rmtree(self.folder, ignore_errors=True)

    def tail(self) -> str:
        """The end of the daemons' logs."""
        logs = sorted((self.folder / "log").glob("*"))
        return "\n".join(f"{log.name}: {line}" for log in logs for line in log.read_text().splitlines()[-5:])

    def _run(self, *words: object, seconds: float = COMMAND_SECONDS) -> subprocess.CompletedProcess[str]:
        argv, env = [str(word) for word in words], self.environment()
        return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL)

    def _daemon(self, *words: str) -> None:
        """A program that goes into the background by itself, with signals as a daemon has them."""
        with (self.folder / "log" / "started").open("ab") as said:
            argv, env = list(words), self.environment()
            subprocess.run(
                argv, env=env, stdin=subprocess.DEVNULL, stdout=said, stderr=said, timeout=START_SECONDS, check=True,
                preexec_fn=_default_signals,
            )  # fmt: skip

    def _until(self, condition: Callable[[], object], seconds: float = START_SECONDS) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"the cluster does not come up:\n{self.tail()}"
            time.sleep(0.2)


def _default_signals() -> None:
    """In the background, or under nohup, some are ignored, and jobs would inherit that."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)


def _path() -> str:
    return f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/local/sbin{os.pathsep}/usr/sbin{os.pathsep}/sbin"


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens at now; below those from which the kernel gives one to each connection meanwhile."""
    ports: list[int] = []
    while len(ports) < count:
        port = 10_000 + secrets.randbelow(20_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            ports += [port] if port not in ports else []
    return ports


if __name__ == "__main__":
    what, cluster = sys.argv[1], Cluster(Path(sys.argv[2]).resolve())
    if what == "start":
        if why := lacking():
            raise SystemExit(why)
        cluster.start()
        print(f"export SLURM_CONF={cluster.conf}")
    else:
        cluster.stop()
