"""What of LLaMA-Factory reads clips, see `orchestrator.inside.reading`."""

READERS = {"llamafactory.data.mm_plugin": ("*._regularize_videos", "*._get_video_token_metadata")}
