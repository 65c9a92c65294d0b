"""LangChain's and LlamaIndex's OpenAI clients against the server; in an environment of their own, hence slow."""

import subprocess
from pathlib import Path

import pytest

from tests.serving.running import serving

CHECK = Path(__file__).parents[2] / "scripts" / "check_clients.sh"


@pytest.mark.slow
def test_langchain_and_llama_index_ask_and_stream() -> None:
    with serving() as url:
        done = subprocess.run([CHECK, f"{url}/v1"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "langchain invoke",
        "langchain stream",
        "llama-index chat",
        "llama-index stream",
    ]
    assert all("42" in line for line in lines)
