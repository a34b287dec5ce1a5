"""ms-swift 4.6, for MiniCPM-V and whatever else it knows."""

from orchestrator.toolkits.swift.engine import Engine
from orchestrator.toolkits.swift.trainer import Trainer

__all__ = ["Engine", "Trainer"]
