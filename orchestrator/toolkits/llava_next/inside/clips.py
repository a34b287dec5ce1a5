"""What of LLaVA-NeXT reads clips, see `orchestrator.inside.reading`."""

READERS = {"llava.utils": ("process_video_with_decord",)}
