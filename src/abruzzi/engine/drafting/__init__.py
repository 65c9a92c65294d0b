"""Drafts for speculative decoding without a draft model, and how they would have fared, by where they came from.

Everything here is pure: token ids in, drafts and counts out. What the engine itself drafts is llama.cpp's business;
this folder says where its accepted tokens came from, and what a drafter that reads the whole group would have had
accepted.
"""
