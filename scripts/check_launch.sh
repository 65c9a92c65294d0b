#!/bin/sh
# Hands every launch plan to the parsers of vLLM 0.33.0 and SGLang 0.5.23 themselves, without a GPU:
# `scripts/check_launch.sh [FOLDER]` makes an environment of its own in FOLDER (build/launch by default, 4 GB) and prints
# what it proved; docs/launch.md says what that is worth.
# By hand, not in the default tests; minutes on two cores, most of them for the installation.
set -eu
cd "$(dirname "$0")/.."
folder=${1:-build/launch}
if [ ! -e "$folder/.abruzzi-launch" ]; then
    "${PYTHON:-python3}" -m venv "$folder"
    pip() { "$folder/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }
    pip install torch==2.13.0
    # Both pin another torch, for GPUs, and kernels that no parser needs; so what their imports touch is named here.
    pip install transformers==5.19.0 tokenizers==0.23.2 regex cachetools psutil sentencepiece numpy requests tqdm blake3 \
        py-cpuinfo protobuf "fastapi<0.137" starlette uvicorn uvloop aiohttp "openai>=2.25,<3" "pydantic>=2.12" orjson \
        prometheus_client pillow prometheus-fastapi-instrumentator tiktoken llguidance lark==1.2.2 partial-json-parser \
        jsonschema pyzmq msgspec cloudpickle pyyaml einops python-json-logger pybase64 cbor2 ijson setproctitle \
        "mistral_common>=1.11.6" watchfiles IPython packaging numba==0.65.0 openai-harmony
    pip install --no-deps oss-harmony triton compressed-tensors==0.17.0 model-hosting-container-standards mcp anthropic \
        xgrammar==0.2.8 apache-tvm-ffi==0.1.11 vllm==0.33.0 sglang==0.5.23
    touch "$folder/.abruzzi-launch"
fi
# vLLM's arguments ask for the platform as they are declared; without a GPU one has to be named.
export VLLM_TARGET_DEVICE=cpu
PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}" exec "$folder/bin/python" scripts/check_launch.py
