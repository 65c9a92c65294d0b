"""Processes that train together: one writes, all learn what came of it, and none is left waiting."""

import json
from pathlib import Path
from typing import Any

import pytest
from torch import distributed

from abruzzi.errors import ConfigError, RecordError
from abruzzi.training.processes import ALONE, join_processes
from tests.training.ranks import Place, end_ranks, start_ranks


def test_alone_a_process_is_the_main_one_and_waits_for_nobody() -> None:
    processes = join_processes()
    assert (processes.rank, processes.count, processes.is_main) == (0, 1, True)
    assert ALONE.by_main(lambda: 3) == ALONE.together(lambda: 3) == 3
    with pytest.raises(ConfigError, match="wrong"):
        ALONE.by_main(fail)


def fail() -> int:
    raise ConfigError("wrong")


def meet(place: Place, out: Path) -> None:
    """Go through everything that processes do together, and write down how it went."""
    place.join()
    rank, processes = place.rank, join_processes()
    done: list[Any] = [processes.rank, processes.count, processes.is_main]
    done.append(processes.by_main(lambda: f"from {rank}"))
    done.append(processes.together(lambda: rank))

    def fail_here(where: int) -> int:
        if rank == where:
            raise RecordError(f"the disk of {where} is full")
        return rank

    for attempt in (lambda: processes.by_main(lambda: fail_here(0)), lambda: processes.together(lambda: fail_here(1))):
        try:
            attempt()
        except RecordError as error:
            done.append(str(error))
    (out / f"{rank}.json").write_text(json.dumps(done))
    distributed.destroy_process_group()


def test_two_share_what_the_main_one_made_and_the_error_of_either(tmp_path: Path) -> None:
    assert end_ranks(start_ranks(meet, tmp_path)) == [0, 0]
    told = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)]
    errors = ["the disk of 0 is full", "the disk of 1 is full"]
    assert told == [[0, 2, True, "from 0", 0, *errors], [1, 2, False, "from 0", 1, *errors]]
