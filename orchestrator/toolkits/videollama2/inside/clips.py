"""What of VideoLLaMA2 reads clips, see `orchestrator.inside.reading`."""

READERS = {"videollama2.mm_utils": ("process_video",)}
