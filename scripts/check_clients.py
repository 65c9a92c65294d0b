"""Asks a server through LangChain's and LlamaIndex's OpenAI clients, plainly and streamed; run by check_clients.sh.

It prints a line for each exchange and fails at the first that is not what the client promises its users.
"""

import os
import sys

from langchain_core.messages import HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike

MODEL, QUESTION = "abruzzi", "What is 17 + 25?"


def ask_langchain(base_url: str, key: str) -> None:
    """Ask through LangChain: whole, streamed, with usage."""
    chat = ChatOpenAI(model=MODEL, base_url=base_url, api_key=key, max_retries=0, stream_usage=True)
    messages = [SystemMessage("Be brief."), HumanMessage(QUESTION)]
    whole = chat.invoke(messages)
    assert whole.content, "LangChain got no content"
    assert whole.usage_metadata["output_tokens"] > 0, "LangChain got no usage"
    sys.stdout.write(f"langchain invoke: {whole.content!r}, {whole.usage_metadata['total_tokens']} tokens" + "\n")
    pieces = list(chat.stream(messages))
    text = "".join(str(piece.content) for piece in pieces)
    assert text, "LangChain's stream held no content"
    assert any(piece.usage_metadata for piece in pieces), "LangChain's stream held no usage"
    sys.stdout.write(f"langchain stream: {text!r}, {len(pieces)} chunks" + "\n")


def ask_llama_index(base_url: str, key: str) -> None:
    """Ask through LlamaIndex: whole and streamed."""
    llm = OpenAILike(model=MODEL, api_base=base_url, api_key=key, is_chat_model=True, max_retries=0)
    messages = [ChatMessage(role="system", content="Be brief."), ChatMessage(role="user", content=QUESTION)]
    whole = llm.chat(messages)
    assert whole.message.content, "LlamaIndex got no content"
    sys.stdout.write(f"llama-index chat: {whole.message.content!r}" + "\n")
    pieces = list(llm.stream_chat(messages))
    text = "".join(piece.delta or "" for piece in pieces)
    assert text, "LlamaIndex's stream held no content"
    sys.stdout.write(f"llama-index stream: {text!r}, {len(pieces)} chunks" + "\n")


if __name__ == "__main__":
    address, secret = sys.argv[1], os.environ.get("OPENAI_API_KEY", "none")
    ask_langchain(address, secret)
    ask_llama_index(address, secret)
