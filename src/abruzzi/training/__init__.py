"""Training: SFT, GRPO on verifiable rewards, planner and judge adapters, checkpoints, export. Alone imports torch."""
