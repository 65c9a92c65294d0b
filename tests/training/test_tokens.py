"""Examples as token ids: what the chat template writes, with loss on the completion and the end of turn alone."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers.processors import TemplateProcessing

from abruzzi.data.examples import Example
from abruzzi.errors import ConfigError, DataError
from abruzzi.nouns import Message
from abruzzi.training.scratch import make_tokenizer
from abruzzi.training.tokens import encode_example, encode_examples, encode_prompt
from tests.training.toys import TEXTS

TOKENIZER = make_tokenizer(TEXTS)
QUESTION = (Message("user", "What is 1 + 2?"),)
TALK = (
    Message("system", "Be brief."),
    Message("user", "What is 1 + 2?"),
    Message("assistant", "<answer>3</answer>"),
    Message("user", "And 2 + 2?"),
)
COMPLETION = "<think>1 + 2 = 3</think>\n<answer>3</answer>"


def example(completion: str = COMPLETION, messages: tuple[Message, ...] = QUESTION) -> Example:
    return Example("1", messages, completion)


def render(messages: tuple[Message, ...], completion: str) -> list[int]:
    """The whole conversation by the tokenizer's own chat template, up to the end of the last turn."""
    turns = [{"role": message.role, "content": message.content} for message in messages]
    turns.append({"role": "assistant", "content": completion})
    text: str = TOKENIZER.apply_chat_template(turns, tokenize=False)
    return TOKENIZER(text.removesuffix("\n"), add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("messages", [QUESTION, TALK])
def test_an_example_is_what_the_chat_template_renders(messages: tuple[Message, ...]) -> None:
    assert list(encode_example(TOKENIZER, example(messages=messages)).ids) == render(messages, COMPLETION)


def test_tokens_of_a_known_prompt() -> None:
    ids = encode_prompt(TOKENIZER, QUESTION)
    assert TOKENIZER.decode(ids) == "<|im_start|>user\nWhat is 1 + 2?<|im_end|>\n<|im_start|>assistant\n"
    assert ids[0] == TOKENIZER.convert_tokens_to_ids("<|im_start|>")


def test_a_tokenizer_that_opens_every_text_with_a_token_does_not_do_so_here() -> None:
    opening: Any = make_tokenizer(TEXTS)
    begin = opening.bos_token_id
    opening.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", begin)]
    )
    assert opening("a")["input_ids"][0] == begin
    assert encode_example(opening, example()) == encode_example(TOKENIZER, example())


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(texts, texts)
def test_mask_is_1_on_completion_and_end_of_turn_alone(question: str, completion: str) -> None:
    messages = (Message("user", question),)
    tokens = encode_example(TOKENIZER, example(completion, messages))
    prompt = encode_prompt(TOKENIZER, messages)
    assert list(tokens.ids[: len(prompt)]) == prompt
    assert tokens.loss_mask == (*[0] * len(prompt), *[1] * (len(tokens.ids) - len(prompt)))
    assert tokens.ids[-1] == TOKENIZER.eos_token_id
    assert TOKENIZER.decode(tokens.ids[len(prompt) : -1]) == completion


def test_turns_of_the_model_in_the_prompt_carry_no_loss() -> None:
    tokens = encode_example(TOKENIZER, example(messages=TALK))
    trained = [token for token, is_trained in zip(tokens.ids, tokens.loss_mask, strict=True) if is_trained]
    assert TOKENIZER.decode(trained) == COMPLETION + "<|im_end|>"


def test_examples_that_are_too_long_are_left_out_and_counted() -> None:
    lengths = [len(encode_example(TOKENIZER, example(text)).ids) for text in ("a", COMPLETION)]
    three = [example("a"), example(COMPLETION), example("a")]
    at_limit = encode_examples(TOKENIZER, three, max_tokens=lengths[1])
    below = encode_examples(TOKENIZER, three, max_tokens=lengths[1] - 1)
    assert [len(tokens.ids) for tokens in at_limit.kept] == [lengths[0], lengths[1], lengths[0]]
    assert at_limit.num_too_long == 0
    assert [len(tokens.ids) for tokens in below.kept] == [lengths[0], lengths[0]]
    assert below.num_too_long == 1


def test_nothing_left_is_said_with_its_reason() -> None:
    with pytest.raises(DataError, match=r"all 2 are longer than 3 tokens; raise sft\.max_tokens"):
        encode_examples(TOKENIZER, [example(), example()], max_tokens=3)
    with pytest.raises(DataError, match="there are none"):
        encode_examples(TOKENIZER, [], max_tokens=3)


def test_a_tokenizer_without_chat_template_is_refused() -> None:
    tokenizer: Any = make_tokenizer(TEXTS)
    tokenizer.chat_template = None
    with pytest.raises(ConfigError, match="no chat template; give it one"):
        encode_prompt(tokenizer, QUESTION)
