"""The engine's child process: loads one model and serves llama.cpp's own HTTP server on loopback.

Run by ``abruzzi.engine.child`` as ``python -m abruzzi.engine.worker``. It reads one line of JSON (``Order``) on stdin,
answers with one line on stdout, ``{"ok": {"url": …}}`` or ``{"error": …}``, and then serves until anything more comes
on stdin, or its end: a parent that dies, however it dies, closes it. Everything else that is printed goes to stderr,
which is a log file.

A process of its own, because a crash in native code must not take the caller down, and because llama.cpp is not safe
to stop with a request in flight: here leaving is ``os._exit`` once it serves.
"""

import ctypes
import importlib
import io
import json
import os
import signal
import sys
import threading
from typing import Any, TextIO

from abruzzi.engine import loopback
from abruzzi.engine.cores import limit_spinning
from abruzzi.engine.settings import Attention, Order
from abruzzi.engine.speculation import tell_native

_PR_SET_PDEATHSIG = 1
_OWN_TIMEOUT_S = 60.0


def main() -> None:
    """Serve until stdin says otherwise."""
    replies = _claim_stdout()
    # Unbuffered, so that a word that follows the order at once is not swallowed with it.
    orders = io.FileIO(0, closefd=False)
    order = Order.from_json(json.loads(orders.readline()))
    _die_with_parent(order.parent_pid)
    has_failed = threading.Event()
    threading.Thread(target=_leave_when_told, args=(orders, has_failed), daemon=True).start()
    limit_spinning(os.environ)
    try:
        server = serve(order)
    except Exception as error:  # noqa: BLE001 - whatever keeps the engine from starting is one line for the parent
        has_failed.set()
        is_missing = isinstance(error, ImportError)
        _reply(replies, {"error": f"xllamacpp cannot be loaded ({error})" if is_missing else str(error)})
        sys.exit(2)  # and not os._exit: llama.cpp writes what is left of its log as the process ends
    _reply(replies, {"ok": {"url": server.listening_address}})
    threading.Event().wait()


def serve(order: Order) -> Any:
    """Load the model and start llama.cpp's server; it serves for as long as the returned object lives.

    Raises:
        RuntimeError: llama.cpp gave up, or could not set up the drafts; the reason is on stderr.
        ImportError: there is no xllamacpp on this platform.
    """
    native: Any = importlib.import_module("xllamacpp")
    params = native.CommonParams()
    params.model.path = order.model
    params.model_alias = {order.alias}
    params.n_parallel = order.slots
    params.n_ctx = order.slots * order.context_tokens
    # One key-value cache per slot: with a shared one, parallel greedy text differs from sequential text.
    params.kv_unified = False
    params.n_batch = params.n_ubatch = order.batch_tokens
    params.flash_attn_type = choose_attention(native, order.attention)
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = order.threads
    # llama.cpp gives a prompt of the past to any request, whichever adapter it was computed under (its issue 26207).
    params.cache_ram_mib = 0 if order.adapters else order.prompt_cache_mib
    # Scale 0: an adapter works only in the requests that ask for it.
    params.lora_adapters = [native.CommonAdapterLoraInfo(path, 0.0) for path in order.adapters]
    if order.speculation is not None:
        tell_native(native, params, order.speculation, threads=order.threads)
    params.hostnames = ["127.0.0.1"]
    params.port = order.port
    params.api_keys = [order.api_key]
    params.endpoint_metrics = params.endpoint_slots = True
    params.ui = params.warmup = params.fit_params = False
    params.verbosity = 1  # errors only
    server = native.Server(params)
    if order.speculation is not None:
        _check_drafting(server.listening_address, order)
    return server


def choose_attention(native: Any, wanted: Attention) -> Any:
    """Say in llama.cpp's words how attention is computed.

    Left to itself llama.cpp takes its flash attention wherever a device can compute it, and a processor can. As the
    index's wheel has it, that pays for long prompts; built with AVX-512 it makes decoding up to three times as slow as
    the products by themselves (docs/engine-build.md).

    Args:
        native: the module ``xllamacpp``.
        wanted: as the order says.
    """
    kinds, devices = native.llama_flash_attn_type, native.ggml_backend_dev_type
    graphics = (devices.GGML_BACKEND_DEVICE_TYPE_GPU, devices.GGML_BACKEND_DEVICE_TYPE_IGPU)
    if wanted is Attention.FUSED:
        return kinds.LLAMA_FLASH_ATTN_TYPE_ENABLED
    is_fast = "AVX512 = 1" not in native.get_system_info() or any(
        device["type"] in graphics for device in native.get_device_info()
    )
    if wanted is Attention.AUTO and is_fast:
        return kinds.LLAMA_FLASH_ATTN_TYPE_AUTO
    return kinds.LLAMA_FLASH_ATTN_TYPE_DISABLED


def _check_drafting(url: str, order: Order) -> None:
    """Refuse to serve without the drafts that were asked for: llama.cpp only logs that it could not set them up.

    Raises:
        RuntimeError: it could not.
    """
    reply = loopback.get(url, "/slots", api_key=order.api_key, timeout_s=_OWN_TIMEOUT_S)
    if not all(slot["speculative"] for slot in json.loads(reply.body)):
        assert order.speculation is not None, "drafts were asked for"
        raise RuntimeError(f"llama.cpp set up no speculation by {order.speculation.name}")


def _claim_stdout() -> TextIO:
    """Keep stdout for replies; what native code prints goes to stderr."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return replies


def _reply(replies: TextIO, message: dict[str, Any]) -> None:
    replies.write(json.dumps(message) + "\n")
    replies.flush()


def _leave_when_told(orders: io.FileIO, has_failed: threading.Event) -> None:
    orders.read(1)
    if not has_failed.is_set():
        os._exit(0)


def _die_with_parent(parent_pid: int) -> None:
    """Linux: have the kernel end us with the parent, even while native code holds the interpreter."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it died before the kernel knew
        os._exit(0)


if __name__ == "__main__":
    main()
