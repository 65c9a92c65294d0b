"""Small random models and adapters with a real tokenizer, made on the spot."""

from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

TEXTS = [
    "the quick brown fox jumps over the lazy dog",
    "what is 17 + 25? the answer is 42",
    "Ann has 12 eggs, uses 5 and buys 8 more.",
]
NUM_ROWS = 352
"""Of the embedding: a few more than the tokenizer has tokens."""


def make_tokenizer(*, sets_digits_apart: bool = True) -> Any:
    """A byte-level BPE with two special tokens and one that is added, but not special."""
    tokenizer: Any = Tokenizer(models.BPE())
    by_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False)
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, by_bytes]) if sets_digits_apart else by_bytes
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=340,
        special_tokens=["<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.add_tokens(["<answer>"])
    fast: Any = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|im_end|>"
    )
    fast.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    return fast


def make_llama(*, is_tied: bool, seed: int = 0, **settings: Any) -> Any:
    """Two layers, four heads that share two key-value heads; weights large enough to have opinions."""
    cast("Any", torch).manual_seed(seed)
    sizes: dict[str, Any] = {
        "vocab_size": NUM_ROWS,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128,
        "tie_word_embeddings": is_tied,
        "initializer_range": 0.2,
        "bos_token_id": 0,
        "eos_token_id": 1,
    }
    return LlamaForCausalLM(LlamaConfig(**{**sizes, **settings})).eval()


def make_qwen(*, seed: int = 0) -> Any:
    """The same sizes; biases on queries, keys and values, drawn and not zero."""
    cast("Any", torch).manual_seed(seed)
    config = Qwen2Config(
        vocab_size=NUM_ROWS,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        initializer_range=0.2,
        bos_token_id=0,
        eos_token_id=1,
    )
    model = Qwen2ForCausalLM(config).eval()
    for name, weight in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(weight, std=0.5)
    return model


def add_adapter(model: Any, *, seed: int = 1, strength: float = 0.1, **settings: Any) -> Any:
    """Wrap a model in a random LoRA that changes what it says."""
    cast("Any", torch).manual_seed(seed)
    lora: dict[str, Any] = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
    config = LoraConfig(**{**lora, **settings})
    wrapped: Any = get_peft_model(model, config)
    for name, weight in wrapped.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=strength)
    return wrapped


def save(model: Any, tokenizer: Any, folder: Path) -> Path:
    """Save a model or adapter as a checkpoint does."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
