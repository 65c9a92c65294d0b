#!/bin/sh
# Checks the large GRPO recipe against verl 0.9.1 itself, without a GPU: `scripts/check_verl.sh [FOLDER]` makes an
# environment of its own in FOLDER (build/verl by default, 2 GB) and prints what it proved.
# By hand, not in the default tests; some minutes on two cores, most of them for the installation.
set -eu
cd "$(dirname "$0")/.."
folder=${1:-build/verl}
if [ ! -e "$folder/.abruzzi-verl" ]; then
    "${PYTHON:-python3}" -m venv "$folder"
    pip() { "$folder/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }
    pip install torch==2.13.0
    # verl pins another torch for GPUs, so its dependencies are named here; antlr4 4.9.3 is Hydra's, and Math-Verify has
    # parsers for it.
    pip install "transformers==5.10.*" tokenizers==0.22.2 hydra-core "omegaconf<2.4" antlr4-python3-runtime==4.9.3 \
        "math-verify[antlr4_9_3]==0.9.0" "ray[default]==2.60.*" "tensordict>=0.8,<=0.10" TransferQueue==0.1.11 \
        torchdata cachetools fastapi uvicorn codetiming dill pybind11 pylatexenc accelerate datasets pandas peft \
        "pyarrow>=19" tensorboard \
        opentelemetry-api opentelemetry-sdk "anyio>=4.11,<5" "pydantic>=2.11,<3" "httpx2>=2.16,<3" "openai>=3.50,<4"
    pip install --no-deps verl==0.9.1
    touch "$folder/.abruzzi-verl"
fi
PYTHONPATH="$PWD/src:$PWD${PYTHONPATH:+:$PYTHONPATH}" exec "$folder/bin/python" scripts/check_verl.py
