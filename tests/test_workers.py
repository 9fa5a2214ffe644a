"""Work on processes and on a dask cluster: results in order, nothing lost, one clear error."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from finn_imec.cli import app
from finn_imec.util import workers as module
from finn_imec.util.errors import ImecError, UnsupportedError
from finn_imec.util.workers import ClusterError, each, workers
from finn_imec.verification.campaign import VerificationError
from finn_imec.verification.cases import random_case


def square(number: int) -> int:
    if number < 0:
        raise UnsupportedError(f"number={number}: accepted are squares of what is positive")
    time.sleep(0.01 * (5 - number % 5))  # the first ones end last
    return number**2


def die(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def slow_square(folder_and_number: tuple[Path, int]) -> int:
    """Leaves its process' number in the folder, once a run."""
    folder, number = folder_and_number
    (folder / f"{number}-{os.getpid()}-{time.time_ns()}").touch()
    time.sleep(0.3)
    return number**2


def fail_verification(number: int) -> None:
    raise VerificationError("wrong", "none/none", random_case(1, number))


@pytest.fixture(scope="module")
def pool():
    with workers(2) as executor:
        yield executor


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed", reason="pip install 'finn-imec[cluster]'")
    with distributed.LocalCluster(
        n_workers=3, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as local:
        yield local


def test_results_are_in_order(pool):
    done = {}
    assert each(square, range(7), pool, done.__setitem__) == [number**2 for number in range(7)]
    assert done == {number: number**2 for number in range(7)}
    assert each(square, range(3)) == [0, 1, 4]


def test_first_error_ends_the_work(pool):
    done = {}
    with pytest.raises(UnsupportedError, match="number=-1"):
        each(square, [-1, *range(200)], pool, done.__setitem__)
    assert len(done) < 200
    assert each(square, [2], pool) == [4]  # and not the executor


def test_errors_of_a_campaign_come_back_whole(pool):
    with pytest.raises(VerificationError) as caught:
        each(fail_verification, [3], pool)
    assert caught.value.case.command == "finn-imec verify --seed 1 --case 3"
    assert str(caught.value).startswith("none/none: wrong\n")


def test_a_process_that_dies_is_an_error():
    with pytest.raises(ImecError, match="a worker process died"), workers(1) as executor:
        each(die, [1], executor)


def test_a_killed_worker_of_a_cluster_loses_nothing(cluster, tmp_path):
    killed = []

    def kill_one(index: int, result: int) -> None:
        if not killed:  # one that works on another number right now
            ended = {int(p.name.split("-")[1]) for p in tmp_path.glob(f"{index}-*")}
            running = max(tmp_path.iterdir(), key=lambda p: int(p.name.split("-")[2]))
            process = int(running.name.split("-")[1])
            killed.append(process)
            assert ended
            os.kill(process, signal.SIGKILL)

    with workers(cluster=cluster.scheduler_address) as executor:
        results = each(slow_square, [(tmp_path, number) for number in range(12)], executor, kill_one)
    assert results == [number**2 for number in range(12)]
    runs = [int(p.name.split("-")[0]) for p in tmp_path.iterdir()]
    assert killed and len(runs) > 12 and set(runs) == set(range(12))
    assert len({p.name.split("-")[1] for p in tmp_path.iterdir()}) >= 3


def test_errors_on_a_cluster(cluster):
    with (
        pytest.raises(UnsupportedError, match="number=-1"),
        workers(cluster=cluster.scheduler_address) as executor,
    ):
        each(square, [1, -1, 2], executor)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://x", "", "127.0.0.1"])
def test_a_cluster_that_is_not_there(monkeypatch, address):
    pytest.importorskip("distributed", reason="pip install 'finn-imec[cluster]'")
    monkeypatch.setattr(module, "CONNECT_S", 1)
    with (
        pytest.raises(ClusterError, match=f"cluster='{address}': no dask scheduler"),
        workers(cluster=address),
    ):
        pass


def test_a_cluster_with_other_code(cluster, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_PACKAGE", tmp_path)
    with (
        pytest.raises(ClusterError, match="every worker needs this finn_imec"),
        workers(cluster=cluster.scheduler_address),
    ):
        pass


def test_a_cluster_without_workers(monkeypatch):
    distributed = pytest.importorskip("distributed", reason="pip install 'finn-imec[cluster]'")
    monkeypatch.setattr(module, "FIRST_WORKER_S", 1)
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=None, silence_logs=50) as empty,
        pytest.raises(ClusterError, match="has no workers after 1 s"),
        workers(cluster=empty.scheduler_address),
    ):
        pass


@pytest.mark.simulation
def test_verify_on_a_cluster(cluster):
    command = ["verify", "--cases", "2", "--seed", "4", "--cluster", cluster.scheduler_address, "--json"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"seed": 4, "cases": 2, "runs": 42, "failures": 0}


def test_commands_say_that_there_is_no_cluster(monkeypatch):
    pytest.importorskip("distributed", reason="pip install 'finn-imec[cluster]'")
    monkeypatch.setattr(module, "CONNECT_S", 1)
    for command in ("verify", "compare --layers padded --bits 4", "fit model.onnx --measure"):
        done = CliRunner().invoke(app, [*command.split(), "--cluster", "127.0.0.1:9"])
        assert isinstance(done.exception, ClusterError), done.output
