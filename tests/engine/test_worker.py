"""The real child process with the real model."""

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from abruzzi.engine import loopback
from abruzzi.engine.counters import read_counters
from abruzzi.engine.process import Engine
from abruzzi.engine.settings import Attention, EngineSettings, Speculation
from abruzzi.engine.worker import choose_attention
from abruzzi.errors import EngineStartError
from tests.engine.asking import Stream, chat
from tests.engine.tiny import model_file

pytestmark = pytest.mark.engine

QUESTIONS = ["What is 17 + 25?", "Name three colours.", "Why is the sky blue? Answer in one sentence."]
GREEDY: dict[str, Any] = {"temperature": 0, "max_tokens": 24, "cache_prompt": False}
"""Nothing from the cache: a prompt computed in other pieces rounds otherwise, and words may turn on it."""


def test_only_the_key_opens_it_and_no_path_leaks(engine: Engine) -> None:
    assert loopback.get(engine.base_url, "/v1/models", api_key="wrong", timeout_s=5).status == 401
    models = loopback.get(engine.base_url, "/v1/models", api_key=engine.api_key, timeout_s=5)
    assert json.loads(models.body)["data"][0]["id"] == engine.model
    assert engine.settings.model.name not in models.body
    assert engine.max_context == engine.settings.context_tokens


def test_parallel_greedy_text_equals_sequential_greedy_text(engine: Engine) -> None:
    def ask(question: str) -> str:
        return chat(engine, question, **GREEDY).texts()[0]

    sequential = [ask(question) for question in QUESTIONS]
    with ThreadPoolExecutor(3) as pool:
        parallel = list(pool.map(ask, QUESTIONS))
    together = [chat(engine, question, n=3, **GREEDY).texts() for question in QUESTIONS]
    assert parallel == sequential
    assert together == [[text] * 3 for text in sequential]
    assert len(set(sequential)) == 3


def test_choices_of_one_request_differ_and_a_seed_repeats_them(engine: Engine) -> None:
    settings: dict[str, Any] = {"n": 3, "seed": 7, "temperature": 1.0, "max_tokens": 12}
    first = chat(engine, QUESTIONS[1], **settings).texts()
    assert len(set(first)) == 3
    assert chat(engine, QUESTIONS[1], **settings).texts() == first


def test_a_prompt_beyond_the_context_is_refused_with_its_size(engine: Engine) -> None:
    with pytest.raises(ValueError, match=r"exceed_context_size_error.*n_prompt_tokens.*n_ctx"):
        chat(engine, "word " * (engine.max_context + 100), max_tokens=1)


def test_a_crash_breaks_the_stream_and_the_next_try_works(engine: Engine) -> None:
    settings = EngineSettings(model=engine.settings.model, slots=1, threads=1, context_tokens=512)
    with Engine(settings) as fragile:

        def kill(stream: Stream) -> bool:
            if len(stream.chunks) == 4 and fragile.pid is not None:
                os.kill(fragile.pid, signal.SIGKILL)
            return False

        assert not is_whole_or_broken(fragile, kill)
        deadline = time.monotonic() + 20
        while True:
            try:
                answer = chat(fragile, QUESTIONS[0], **GREEDY)
                break
            except (OSError, ValueError):
                assert time.monotonic() < deadline
                time.sleep(0.05)
        assert answer.is_whole
        assert answer.texts() == chat(engine, QUESTIONS[0], **GREEDY).texts()
        assert fragile.num_restarts == 1


def is_whole_or_broken(engine: Engine, kill: Callable[[Stream], bool]) -> bool:
    try:
        return chat(engine, QUESTIONS[2], leave_if=kill, max_tokens=200, ignore_eos=True).is_whole
    except (OSError, ValueError):
        return False


def test_stopping_in_the_middle_of_a_request_is_quick(engine: Engine) -> None:
    busy = Engine(EngineSettings(model=engine.settings.model, slots=1, threads=1, context_tokens=512))
    busy.start()
    started = threading.Event()

    def ask() -> None:
        with suppress(OSError, ValueError):
            chat(busy, "Count.", leave_if=lambda _: started.set() or False, max_tokens=400, ignore_eos=True)

    asking = threading.Thread(target=ask)
    asking.start()
    started.wait(10)
    start = time.monotonic()
    busy.stop()
    assert time.monotonic() - start < 2
    asking.join(5)
    assert not asking.is_alive()


def test_speculation_keeps_the_text(engine: Engine) -> None:
    settings = EngineSettings(
        model=engine.settings.model, slots=1, threads=1, context_tokens=512, speculation=Speculation(ngram_tokens=2)
    )
    question = "Repeat: " + "one two three four five six " * 6
    with Engine(settings) as speculating:
        ours = chat(speculating, question, temperature=0, max_tokens=48, ignore_eos=True)
        counters = read_counters(speculating)
    assert ours.texts() == chat(engine, question, temperature=0, max_tokens=48, ignore_eos=True).texts()
    timings = ours.chunks[-1]["timings"]
    assert 0 < timings["draft_n_accepted"] <= timings["draft_n"]
    assert (counters.draft_tokens, counters.accepted_tokens) == (timings["draft_n"], timings["draft_n_accepted"])


def test_a_busy_port_is_one_clear_line(engine: Engine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EngineStartError, match=f"port {port} on 127.0.0.1 is taken"):
            Engine(EngineSettings(model=engine.settings.model, port=port)).start()


def test_a_file_that_is_no_language_model_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(EngineStartError, match=r"could not load .*tiny\.gguf: .*key not found in model") as caught:
        Engine(EngineSettings(model=model_file(tmp_path))).start()
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits memory with ulimit")
def test_too_little_memory_is_one_clear_line(engine: Engine) -> None:
    worker = f"ulimit -v 600000; exec {sys.executable} -m abruzzi.engine.worker"
    settings = EngineSettings(model=engine.settings.model, context_tokens=8192, command=("/bin/sh", "-c", worker))
    with pytest.raises(EngineStartError, match=r"not enough memory for .* with 3 slots of 8192 tokens"):
        Engine(settings).start()


def test_without_the_native_library_the_command_to_run_is_named(engine: Engine) -> None:
    worker = "import sys; sys.modules['xllamacpp'] = None; from abruzzi.engine.worker import main; main()"
    settings = EngineSettings(model=engine.settings.model, command=(sys.executable, "-c", worker))
    with pytest.raises(EngineStartError, match=r"xllamacpp cannot be loaded .*run `pip install xllamacpp`"):
        Engine(settings).start()


def test_attention_is_llamacpps_choice_unless_that_is_known_to_be_slow() -> None:
    kinds = SimpleNamespace(**{f"LLAMA_FLASH_ATTN_TYPE_{kind}": kind for kind in ("AUTO", "DISABLED", "ENABLED")})
    types = SimpleNamespace(**{f"GGML_BACKEND_DEVICE_TYPE_{kind}": kind for kind in ("GPU", "IGPU")})

    def choose(wanted: Attention, info: str, *devices: str) -> str:
        found = [{"name": kind, "type": kind} for kind in devices]
        native = SimpleNamespace(
            llama_flash_attn_type=kinds,
            ggml_backend_dev_type=types,
            get_device_info=lambda: found,
            get_system_info=lambda: info,
        )
        return choose_attention(native, wanted)

    wheel, built = "CPU : AVX2 = 1 | F16C = 1 |", "CPU : AVX2 = 1 | AVX512 = 1 | AVX512_VNNI = 1 |"
    assert choose(Attention.AUTO, wheel, "CPU") == "AUTO"
    assert choose(Attention.AUTO, built, "ACCEL", "CPU") == "DISABLED"
    assert choose(Attention.AUTO, built, "GPU", "CPU") == choose(Attention.AUTO, built, "IGPU", "CPU") == "AUTO"
    assert choose(Attention.FUSED, built, "CPU") == "ENABLED"
    assert choose(Attention.PLAIN, wheel, "GPU", "CPU") == "DISABLED"
