"""The embedded engine: llama.cpp in a process of its own, reached as an OpenAI-compatible endpoint on loopback."""
