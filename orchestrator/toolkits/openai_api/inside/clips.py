"""What reads clips, see `orchestrator.inside.reading`."""

READERS = {"orchestrator.toolkits.openai_api.inside.frames": ("frames_of",)}
