#!/bin/sh
# Asks a running server through LangChain's and LlamaIndex's OpenAI clients: `scripts/check_clients.sh BASE_URL [FOLDER]`,
# with the key in OPENAI_API_KEY. Both pin an older openai than ours, so they get an environment of their own in FOLDER
# (build/clients by default). By hand, and by a slow test; minutes for the installation.
set -eu
cd "$(dirname "$0")/.."
folder=${2:-build/clients}
if [ ! -e "$folder/.abruzzi-clients" ]; then
    "${PYTHON:-python3}" -m venv "$folder"
    "$folder/bin/python" -m pip --quiet --disable-pip-version-check install \
        langchain-openai==1.7.4 llama-index-llms-openai-like==0.8.1
    touch "$folder/.abruzzi-clients"
fi
exec "$folder/bin/python" scripts/check_clients.py "$1"
