"""Runs trials on a Ray cluster, in actors that live as long as the study."""

from __future__ import annotations

import warnings
from collections import deque
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from normscope.errors import NormscopeError, WorkFailed
from normscope.ray_connection import ray_cluster
from normscope.studies.executors.executor import Executor
from normscope.trials.result import FinishedTrial
from normscope.wording import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from normscope.images.decoded import DecodedSource
    from normscope.trials.result import TrialResult
    from normscope.trials.spec import TrialSpec

PATIENCE_SECONDS = 120
"""How long a cluster may take to start the first actor: a node has to import torch."""

MOST_DEATHS = 3
"""A batch whose actors died so often is at fault itself."""


class OnRay(Executor):
    """An executor over the actors of a cluster, one per GPU or per trial's share of the cores.

    The images are put into the cluster's object store once; every node fetches them once, and its
    actors share them. What runs on a node that is lost runs again on another.

    Args:
        source: The trials' images.
        trial: Says where trials run and with how many threads.
        address: The cluster's.
        trials: How many are to run.
        most: No more actors than these.
        batch: No more trials than these are handed to an actor at a time.

    Raises:
        NormscopeError: If the cluster has not what one trial needs.
    """

    def __init__(
        self,
        source: DecodedSource,
        trial: TrialSpec,
        address: str,
        trials: int,
        most: int,
        batch: int,
    ) -> None:
        self._connection = ExitStack()
        self._ray = self._connection.enter_context(ray_cluster(address))
        self._waiting: deque[TrialSpec] = deque()
        self._finished: deque[FinishedTrial] = deque()
        self._running: dict[Any, tuple[Any, list[TrialSpec]]] = {}
        self._deaths: dict[TrialSpec, int] = {}
        self._idle: list[Any] = []
        self._starting: dict[Any, Any] = {}
        try:
            self._needs = _needs(trial)
            count = min(most, trials, _room(self._ray, self._needs))
            self._batch = fair_share(trials, count, batch)
            # Other nodes do not see this one's files.
            self._source = self._ray.put(source.in_memory())
            self._start(count)
        except BaseException:
            self.close()
            raise
        self.slots = count * self._batch

    def submit(self, spec: TrialSpec) -> None:
        """Take a trial to run."""
        self._waiting.append(spec)
        # A batch that is not full waits for more of its kind until somebody asks for results.
        if len(self._waiting) >= self._batch:
            self._hand_out(self._batch)

    def next_finished(self) -> FinishedTrial:
        """Wait for a submitted trial to finish."""
        while not self._finished:
            free = len(self._idle) + len(self._starting)
            self._hand_out(fair_share(len(self._waiting), free, self._batch))
            self._wait()
        return self._finished.popleft()

    def close(self) -> None:
        """Stop every actor at once; trials in flight are lost."""
        busy = [actor for actor, _ in self._running.values()]
        for actor in (*busy, *self._idle, *self._starting.values()):
            self._ray.kill(actor)
        self._connection.close()

    def _start(self, count: int) -> None:
        """Start actors, and wait until the first of them is ready."""
        actor = self._ray.remote(**self._needs)(_Trainer)
        for _ in range(count):
            started = actor.remote(self._source)
            self._starting[started.ready.remote()] = started
        self._ray.wait(list(self._starting), num_returns=1, timeout=PATIENCE_SECONDS)
        self._welcome()
        if not self._idle:
            raise NormscopeError(
                f"the Ray cluster must start a worker with {_words(self._needs)} within "
                f"{PATIENCE_SECONDS} s, got none. Wait for its other work, or add a node."
            )

    def _welcome(self) -> None:
        if not self._starting:
            return
        references = list(self._starting)
        ready, _ = self._ray.wait(references, num_returns=len(references), timeout=0)
        for reference in ready:
            actor = self._starting.pop(reference)
            try:
                self._ray.get(reference)
            except self._ray.exceptions.RayActorError:
                continue
            self._idle.append(actor)

    def _hand_out(self, most: int) -> None:
        self._welcome()
        while self._idle and self._waiting:
            size = min(most, len(self._waiting))
            specs = [self._waiting.popleft() for _ in range(size)]
            actor = self._idle.pop()
            self._running[actor.run.remote(specs)] = (actor, specs)

    def _wait(self) -> None:
        if not self._running and not self._starting:
            # Every actor is lost: what is left of the cluster, or comes to it, takes over.
            self._start(max(1, min(self.slots // self._batch, _room(self._ray, self._needs))))
            return
        done, _ = self._ray.wait([*self._running, *self._starting], num_returns=1)
        for reference in done:
            if reference in self._running:
                self._collect(reference)

    def _collect(self, reference: Any) -> None:
        actor, specs = self._running.pop(reference)
        try:
            results: list[TrialResult] = self._ray.get(reference)
        except self._ray.exceptions.RayActorError:
            self._again(specs)
            return
        except self._ray.exceptions.RayTaskError as error:
            self._idle.append(actor)
            raise error.as_instanceof_cause() from None
        self._idle.append(actor)
        self._finished.extend(map(FinishedTrial, specs, results))

    def _again(self, specs: list[TrialSpec]) -> None:
        """Put the trials of a dead actor in front of the others."""
        self._waiting.extendleft(reversed(specs))
        for spec in specs:
            self._deaths[spec] = self._deaths.get(spec, 0) + 1
        if self._deaths[specs[0]] >= MOST_DEATHS:
            raise WorkFailed(
                f"an actor must live until its trial is finished, got {MOST_DEATHS} that died with "
                "the same one (killed, or out of memory). Use a smaller batch or model, or look at "
                "the cluster's logs."
            )
        warnings.warn(
            "a node or an actor of the Ray cluster died; its trials run again on another",
            RuntimeWarning,
            stacklevel=2,
        )


class _Trainer:
    """An actor: holds the images of its node, and trains what it is handed."""

    def __init__(self, source: DecodedSource) -> None:
        self._source = source

    def ready(self) -> bool:
        from normscope.trials import running  # noqa: F401 - torch is imported before the first trial

        return True

    def run(self, specs: Sequence[TrialSpec]) -> list[TrialResult]:
        with warnings.catch_warnings():
            # The images are shared between a node's actors, so they may not be written to.
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")
            if len(specs) > 1:
                from normscope.trials.fast.rounds import train_many

                return train_many(specs, self._source)
            from normscope.trials.running import run_trial

            return [run_trial(spec, self._source) for spec in specs]


def fair_share(trials: int, actors: int, most: int) -> int:
    """How many trials an actor is handed, so that all have something to do.

    Args:
        trials: How many are to be handed out.
        actors: To how many.
        most: What one takes at a time.

    Returns:
        At least 1.

    Example:
        >>> fair_share(100, 8, most=64)
        13
    """
    return max(1, min(most, -(-trials // max(1, actors))))


def _needs(trial: TrialSpec) -> dict[str, float]:
    needs: dict[str, float] = {"num_cpus": trial.threads}
    if trial.device == "cuda":
        needs["num_gpus"] = 1
    return needs


def _room(ray: Any, needs: dict[str, float]) -> int:
    """How many actors the cluster's nodes can hold."""
    names = {"num_cpus": "CPU", "num_gpus": "GPU"}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    room = sum(
        int(min(node.get(names[need], 0) // amount for need, amount in needs.items()))
        for node in nodes
    )
    if not room:
        raise NormscopeError(
            f"the Ray cluster must have a node with {_words(needs)} for a trial, got none among "
            f"{len(nodes)}. Add such a node, or give --threads or --device that fit."
        )
    return room


def _words(needs: dict[str, float]) -> str:
    cores = f"{needs['num_cpus']:g} {plural(needs['num_cpus'], 'core')}"
    return f"{cores} and a GPU" if "num_gpus" in needs else cores
