"""What of ms-swift, and in its place, reads clips, see `orchestrator.inside.reading`."""

READERS = {
    "orchestrator.toolkits.swift.inside.patches": ("load_video",),
    "orchestrator.toolkits.swift.inside.audio": ("load_audio",),
    "qwen_omni_utils.v2_5.vision_process": ("fetch_video",),
    "qwen_vl_utils.vision_process": ("fetch_video",),
    "swift.template.vision_utils": (
        *("load_video_cogvlm2", "load_video_hf", "load_video_internvl", "load_video_llava", "load_video_ovis2"),
        *("load_video_ovis2_5", "load_video_valley"),
    ),
}
