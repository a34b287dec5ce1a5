"""What of LLaMA-Factory, and in its place, reads clips, see `orchestrator.inside.reading`."""

READERS = {
    "llamafactory.data.mm_plugin": ("*._regularize_videos", "*._get_video_token_metadata"),
    "orchestrator.toolkits.llamafactory.inside.audio": ("load",),
}
