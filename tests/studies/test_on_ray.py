from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import normscope
from normscope.errors import NormscopeError, WorkFailed
from normscope.images.folder import open_folder
from normscope.images.splits import with_validation
from normscope.studies.executors.on_ray import OnRay, fair_share
from normscope.studies.options import Place, SearchOptions
from normscope.studies.scan import run_scan
from normscope.studies.search import plan_search, run_search
from normscope.studies.search_study import SearchStudy
from normscope.studies.study import Study
from normscope.trials.running import run_trial
from tests.studies.test_scan import everything
from tests.trials.test_train import numbers

pytest.importorskip("ray", reason="the ray extra is not installed")


@pytest.fixture(scope="module")
def on_a_cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster")
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(normscope.__file__).parents[1]),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    }
    run = subprocess.Popen(
        [sys.executable, "-W", "ignore", Path(__file__).with_name("on_a_cluster.py"), folder],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        said, complaints = run.communicate(timeout=280)
    except subprocess.TimeoutExpired:
        # It ends its cluster when interrupted, and would leave it behind when killed.
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=60)
        raise
    assert run.returncode == 0, complaints[-3000:]
    return folder, json.loads(said.splitlines()[-1])


@pytest.mark.thorough
def test_a_scan_gives_the_same_though_a_node_dies(on_a_cluster, small_plan):
    folder, said = on_a_cluster
    assert 0 < said["died"][0] < len(small_plan.specification.trials())
    # On a busy machine the node may die before it has begun a trial: then none is lost, and nothing
    # is said. What is said where one is lost has a test of its own below.
    lost = "a node or an actor of the Ray cluster died; its trials run again on another"
    assert said["warnings"] in ([], [lost])
    local = run_scan(small_plan, Place(workers=1))
    assert everything(Study.open(folder / "scan")) == everything(local)


@pytest.mark.thorough
def test_a_search_stores_what_its_specifications_give_though_a_node_dies(on_a_cluster, tmp_path):
    folder, said = on_a_cluster
    assert len(said["died"]) == 2
    study = SearchStudy.open(folder / "search")
    plan = plan_search(
        SearchOptions(
            over=["mean=-1:2", "std=0.05:1:log"], trials=10, replicates=1, epochs=1,
            train_images=100, sampler="random", out=tmp_path / "search",
        )
    )  # fmt: skip
    assert len(study.trials()) == 10
    assert len(study.replicates()) == 5 + 2
    for trial in [*study.results()[:3], study.replicates()[0]]:
        assert numbers(run_trial(trial.spec, plan.source)) == numbers(trial.result)
    local = run_search(plan, Place(workers=1))
    found = {trial.spec: trial.accuracy for trial in study.trials()}
    assert found == {trial.spec: trial.accuracy for trial in local.trials()}


@pytest.mark.thorough
def test_halving_on_a_cluster(on_a_cluster, tmp_path):
    folder, _ = on_a_cluster
    study = SearchStudy.open(folder / "halving")
    assert len(study.trials()) + len(study.stopped()) == 6
    assert study.stopped()
    options = SearchOptions(over=["mean=0:1"], epochs=1, train_images=100, out=tmp_path / "none")
    source = plan_search(options).source
    for trial in [*study.trials(), *study.stopped()]:
        assert run_trial(trial.spec, source).accuracy == trial.accuracy


@pytest.mark.thorough
def test_a_cluster_without_room_for_a_trial(on_a_cluster):
    _, said = on_a_cluster
    # The cluster may not have noticed yet which nodes are lost.
    assert re.fullmatch(
        r"the Ray cluster must have a node with 4 cores for a trial, got none among [234]\. "
        r"Add such a node, or give --threads or --device that fit\.",
        said["no_room"],
    )
    assert not said["connected_after"]


def test_no_cluster_there(small_plan):
    with pytest.raises(NormscopeError) as error:
        run_scan(small_plan, Place(ray="127.0.0.1:1"))
    assert str(error.value) == (
        "--ray must be the address of a running cluster, got 127.0.0.1:1: Connection refused. "
        "Start one by `ray start --head`."
    )


def test_ray_is_not_installed(small_plan, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(NormscopeError) as error:
        run_scan(small_plan, Place(ray="auto"))
    assert str(error.value) == (
        "ray must be installed for --ray, got none. Run: pip install 'normscope[ray]'"
    )


class FakeRay:
    """A cluster of one process, whose actors die when a trial's seed says so."""

    class exceptions:  # noqa: N801 - as Ray has it
        class RayActorError(Exception): ...

        class RayTaskError(Exception): ...

    def __init__(self, source, deaths):
        self.source, self.deaths, self.killed = source, deaths, 0

    def nodes(self):
        return [
            {"Alive": True, "Resources": {"CPU": 4.0, "GPU": 1.0}},
            {"Alive": False, "Resources": {"CPU": 64.0}},
        ]

    def put(self, source):
        return source

    def remote(self, **_needs):
        cluster = self

        def actor_class(trainer):
            class Handle:
                def __init__(self, source):
                    actor = trainer(source)
                    self.ready = Remote(actor.ready)
                    self.run = Remote(lambda specs: cluster.run(actor, specs))

            return Remote(Handle)

        return actor_class

    def run(self, actor, specs):
        if self.deaths and specs[0].seed in self.deaths:
            self.deaths.remove(specs[0].seed)
            raise self.exceptions.RayActorError
        return actor.run(specs)

    def wait(self, references, num_returns, timeout=None):
        return references[:num_returns], references[num_returns:]

    def get(self, call):
        return call()

    def kill(self, _actor):
        self.killed += 1


class Remote:
    def __init__(self, function):
        self.function = function

    def remote(self, *arguments):
        if isinstance(self.function, type):
            return self.function(*arguments)
        return lambda: self.function(*arguments)


@pytest.fixture
def fake(few_digits, monkeypatch):
    from contextlib import contextmanager

    def make(deaths, **changes):
        cluster = FakeRay(few_digits, deaths)

        @contextmanager
        def connected(_address):
            yield cluster

        monkeypatch.setattr("normscope.studies.executors.on_ray.ray_cluster", connected)
        return cluster

    return make


def test_when_every_actor_is_lost_others_are_started(fake, few_digits, spec):
    cluster = fake([0, 1])
    executor = OnRay(few_digits, spec, "auto", trials=3, most=1, batch=1)
    assert executor.slots == 1
    specs = [replace(spec, seed=seed) for seed in range(3)]
    for one in specs:
        executor.submit(one)
    with pytest.warns(RuntimeWarning, match="its trials run again on another"):
        finished = [executor.next_finished() for _ in specs]
    executor.close()
    assert {trial.spec for trial in finished} == set(specs)
    assert cluster.killed == 1
    for trial in finished:
        assert numbers(trial.result) == numbers(run_trial(trial.spec, few_digits))


def test_a_trial_that_kills_its_actors_ends_the_work(fake, few_digits, spec):
    fake([0, 0, 0])
    executor = OnRay(few_digits, spec, "auto", trials=2, most=2, batch=1)
    executor.submit(spec)
    with pytest.warns(RuntimeWarning), pytest.raises(WorkFailed) as error:
        executor.next_finished()
    executor.close()
    assert str(error.value) == (
        "an actor must live until its trial is finished, got 3 that died with the same one "
        "(killed, or out of memory). Use a smaller batch or model, or look at the cluster's logs."
    )


def test_every_gpu_is_handed_its_share(fake, few_digits, spec, monkeypatch):
    fake([])
    monkeypatch.setattr("normscope.studies.executors.on_ray._room", lambda *_: 8)
    on_gpus = replace(spec, device="cuda")
    executor = OnRay(few_digits, on_gpus, "auto", trials=100, most=100, batch=64)
    executor.close()
    assert executor.slots == 8 * 13
    # What is left at the end is shared among the actors that wait and those that start.
    assert [fair_share(waiting, 8, most=13) for waiting in (200, 100, 20, 3)] == [13, 13, 3, 1]


def test_a_node_that_sees_no_file_of_the_drivers_has_the_images(fake, class_folders, spec):
    fake([])
    source = with_validation(open_folder(class_folders))
    executor = OnRay(source, spec, "auto", trials=1, most=1, batch=1)
    sent = executor._source
    executor.close()
    for split in (sent.train, sent.validation, sent.test):
        assert (split.stored, split.rows) == (None, None)
        assert not isinstance(split.held, np.memmap)
    assert sent.fingerprint() == source.fingerprint()


def test_a_gpu_is_handed_stacks(fake, few_digits, spec):
    fake([])
    executor = OnRay(few_digits, replace(spec, device="cuda"), "auto", trials=4, most=9, batch=3)
    assert executor.slots == 3  # one GPU
    specs = [replace(spec, seed=seed) for seed in range(4)]
    for one in specs:
        executor.submit(one)
    assert {executor.next_finished().spec for _ in specs} == set(specs)
    executor.close()
