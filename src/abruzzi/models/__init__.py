"""Models: one seam, ``ChatModel``; an OpenAI-compatible endpoint or the scripted double. Nothing else knows HTTP."""
