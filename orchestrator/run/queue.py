"""Stand-in."""
from __future__ import annotations
from dataclasses import dataclass

@dataclass(frozen=True, eq=False)
class Work:
    name: str
    order: int
    least: int = 0
    most: int = 0
    host: bool = False
    seconds: float | None = None
    chain: float | None = None

class Queue:
    def __init__(self, gpus, jobs, cpu=1):
        self.free, self.jobs, self.cpu = list(gpus), jobs, cpu
        self.ready, self.leases = [], {}
    def add(self, work, *, soon=False):
        if not soon and work not in self.ready: self.ready.append(work)
    def remove(self, work):
        if work in self.ready: self.ready.remove(work)
    def start(self, now=0.0):
        out = []
        for work in sorted(self.ready, key=lambda w: w.order):
            if len(self.leases) >= self.jobs: break
            if work.host and sum(w.host for w in self.leases) >= self.cpu: continue
            if work.least > len(self.free): continue
            lease = tuple(self.free[:work.least]); del self.free[:work.least]
            self.leases[work] = lease; self.ready.remove(work); out.append((work, lease))
        return out
    def give_back(self, work):
        self.free = sorted([*self.free, *self.leases.pop(work)])
    def waiting(self):
        return [(w, "stand-in") for w in self.ready]
