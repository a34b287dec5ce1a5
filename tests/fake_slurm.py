"""Commands named as Slurm's, for tests of what is asked of them. The real ones are asked by ``make test-slurm``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

SBATCH = """\
[ -e {home}/refused ] && { echo "sbatch: error: Invalid partition name specified" >&2; exit 1; }
env | grep ^SLURM_ | sort >{home}/env
number=$(($(ls {home}/scripts | wc -l) + 100))
cp "${@: -1}" {home}/scripts/$number
last=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p' "${@: -1}")
for index in $(seq 0 ${last:-0}); do
  echo "$number${last:+_$index}|PENDING|Priority|2026-12-01T10:00:00|" >>{home}/queue
done
echo "$number;cluster"
"""
SQUEUE = """\
for word; do case $word in --jobs=*) jobs=${word#--jobs=};; esac; done
if [[ $jobs != *,* ]] && ! grep -q "^$jobs[_|]" {home}/queue; then
  echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1
fi
cat {home}/queue
"""
SCONTROL = """\
printf 'KillWait                = 30 sec\\nMaxArraySize            = %s\\n' "$(cat {home}/array)"
"""


@dataclass(frozen=True)
class FakeSlurm:
    """What the commands were given, and what they say."""

    home: Path

    @property
    def scripts(self) -> list[str]:
        """The texts of what was submitted, in its order; the first is number 100."""
        return [path.read_text() for path in sorted((self.home / "scripts").iterdir())]

    @property
    def environment(self) -> list[str]:
        """The variables of Slurm's that sbatch saw last."""
        return (self.home / "env").read_text().splitlines()

    def queue(self, *lines: str) -> None:
        """Have squeue say this."""
        (self.home / "queue").write_text("".join(f"{line}\n" for line in lines))

    def refuse(self) -> None:
        """Have sbatch refuse what it is given."""
        (self.home / "refused").touch()

    def arrays_of(self, most: int) -> None:
        """Have the site's arrays hold at most so many jobs."""
        (self.home / "array").write_text(str(most))


def fake_slurm(home: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    """Put the commands before all others."""
    (home / "bin").mkdir(parents=True)
    (home / "scripts").mkdir()
    for name, text in {"sbatch": SBATCH, "squeue": SQUEUE, "scontrol": SCONTROL}.items():
        (home / "bin" / name).write_text("#!/bin/bash\n" + text.replace("{home}", str(home)))
        (home / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(home / "bin"), prepend=":")
    found = FakeSlurm(home)
    found.queue()
    found.arrays_of(1001)
    return found
