"""The main job from start to report."""
