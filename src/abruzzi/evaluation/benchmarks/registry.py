"""Finds a benchmark by its name, by a spec for generated ones, or by the path of a file of one's own.

The one list of all named benchmarks. It is imported by those who need a benchmark, never by a benchmark.
"""

from pathlib import Path

from abruzzi.config import suggest
from abruzzi.errors import ConfigError
from abruzzi.evaluation.benchmarks.aime import AIME_2024, AIME_2025
from abruzzi.evaluation.benchmarks.arc_agi import ARC_AGI_1
from abruzzi.evaluation.benchmarks.benchmark import Benchmark
from abruzzi.evaluation.benchmarks.cruxeval import CRUXEVAL_I, CRUXEVAL_O
from abruzzi.evaluation.benchmarks.gpqa import GPQA_DIAMOND
from abruzzi.evaluation.benchmarks.gsm8k import GSM8K
from abruzzi.evaluation.benchmarks.guru import GURU
from abruzzi.evaluation.benchmarks.hle import HLE
from abruzzi.evaluation.benchmarks.hmmt import HMMT_FEB_2024, HMMT_FEB_2025
from abruzzi.evaluation.benchmarks.humaneval import HUMANEVAL
from abruzzi.evaluation.benchmarks.ifeval import IFEVAL
from abruzzi.evaluation.benchmarks.livecodebench import LIVECODEBENCH_V5
from abruzzi.evaluation.benchmarks.math_500 import MATH_500
from abruzzi.evaluation.benchmarks.mbpp import MBPP
from abruzzi.evaluation.benchmarks.mmlu_pro import MMLU_PRO
from abruzzi.evaluation.benchmarks.omni_math import OMNI_MATH, OMNI_MATH_HARD
from abruzzi.evaluation.benchmarks.own import own_benchmark
from abruzzi.evaluation.benchmarks.procedural import PREFIX, procedural_benchmark
from abruzzi.evaluation.benchmarks.scicode import SCICODE, SCICODE_MAIN

_BENCHMARKS: tuple[Benchmark, ...] = (
    *(AIME_2024, AIME_2025, HMMT_FEB_2024, HMMT_FEB_2025, OMNI_MATH, OMNI_MATH_HARD, MATH_500, GSM8K),
    *(LIVECODEBENCH_V5, SCICODE, SCICODE_MAIN, HUMANEVAL, MBPP, CRUXEVAL_I, CRUXEVAL_O),
    *(GPQA_DIAMOND, HLE, MMLU_PRO, ARC_AGI_1, IFEVAL),
    *GURU,
)
_BY_NAME = {benchmark.name: benchmark for benchmark in _BENCHMARKS}
_FILE = ".jsonl"


def list_benchmarks() -> list[Benchmark]:
    """List the benchmarks that have a name, in the order of the documentation."""
    return list(_BENCHMARKS)


def find_benchmark(name: str) -> Benchmark:
    """Find a benchmark.

    Args:
        name: a benchmark's name, ``reasoning-gym:…`` (see ``procedural``), or the path of a JSON Lines file.

    Raises:
        ConfigError: there is none of this name; names the nearest.
        DataError: it is a file, and unusable.
    """
    if name in _BY_NAME:
        return _BY_NAME[name]
    if name.startswith(PREFIX):
        return procedural_benchmark(name)
    path = Path(name).expanduser()
    if name.endswith(_FILE):
        if path.is_file():
            return own_benchmark(path)
        raise ConfigError(f"there is no file {str(path)!r}; give the path of a JSON Lines file, or a benchmark's name")
    raise ConfigError(
        f"unknown benchmark {name!r}{suggest(name, _BY_NAME)}; a file of your own must end in {_FILE}, and generated "
        f"tasks are called {PREFIX}TASK"
    )
