"""Many files on many processes, on one machine or a Ray cluster: one task per file."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Unpack

from .bulk import Bulk, note
from .filejob import Options, Outcome, require_sensible
from .files import first_line
from .jobs import Ledger, Task
from .predictor import Predictor

# Ray sends statistics of its use to its makers unless told not to
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

try:
    import ray
except ImportError as missing:
    raise ImportError("workers need Ray: pip install 'unetzoo-runtime[ray]'") from missing

_RETRIES = 3
_AHEAD = 2  # tasks per worker that wait at Ray, so that none is idle
_STORE = 10**8  # bytes of Ray's object store, which holds nothing but paths here


def predict_on_ray(
    opened: Callable[[int], Predictor],
    inputs: Sequence[str | Path],
    out: str | Path,
    *,
    workers: int,
    threads: int | None = None,
    gpu: bool = False,
    **options: Unpack[Options],
) -> list[Outcome]:
    """What `Predictor.predict_files` does, file by file on workers that open the model once.

    A file whose worker dies, or which cannot be read or written for the moment, is tried again; one that
    cannot be predicted is reported and does not stop the others. Results, ledger and resuming are those of
    ``predict_files``, so a run may be begun with workers and finished without.

    Args:
        opened: Makes the predictor with so many threads; called in each worker, and here once, so that a
            model that cannot be opened is told before anything starts.
        workers: Processes. Without ``RAY_ADDRESS`` they are started here; a cluster's share a file system.
        threads: Per worker; None: the processors here, divided among them.
        gpu: Give each worker one.

    Raises:
        FileNotFoundError: If an input is missing.
        OSError: If the output folder cannot be written.
        ValueError: As `Predictor.predict_files`, or if ``workers`` is not positive.
        ImportError: If Ray is not installed.
    """
    if workers < 1:
        raise ValueError(f"workers={workers}: at least one process has to compute")
    require_sensible(options)
    threads = threads or max(1, (os.cpu_count() or 1) // workers)
    recipe = opened(threads).recipe(options)
    bulk = Bulk([Path(path).resolve() for path in inputs], Path(out).resolve(), recipe)
    _start(workers * threads)
    try:
        worker = ray.remote(num_cpus=threads, num_gpus=int(gpu), max_restarts=-1)(_Worker)
        pool = [worker.remote(opened, threads, bulk.ledger, recipe, options) for _ in range(workers)]
        for outcome in _computed(pool, bulk.rest()):
            bulk.ended(outcome)
    finally:
        ray.shutdown()
    return bulk.close()


def _start(processors: int) -> None:
    """Connect to the cluster that ``RAY_ADDRESS`` names, or start one here that ends with this process."""
    here: dict[str, Any] = {
        "num_cpus": processors,
        "object_store_memory": _STORE,
        "include_dashboard": False,
    }
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        ray.init(
            log_to_driver=False,
            logging_level=logging.ERROR,
            **({} if os.environ.get("RAY_ADDRESS") else here),
        )
    except Exception as error:  # Ray raises plain ones
        raise OSError(f"Ray cannot be started ({first_line(error)})") from error


class _Worker:
    """A process that has opened the model."""

    def __init__(
        self,
        opened: Callable[[int], Predictor],
        threads: int,
        ledger: Ledger,
        recipe: str | None,
        options: Options,
    ) -> None:
        self.predictor = opened(threads)
        self.ledger, self.recipe, self.options = ledger, recipe, options

    def predict(self, task: Task) -> Outcome:
        """One file; what may be otherwise the next time is raised."""
        try:
            target = self.predictor.predict_file(task.source, task.folder, **self.options)
        except (FileNotFoundError, ValueError, ImportError) as error:
            return Outcome(task.source, None, str(error))
        outcome = Outcome(task.source, target, None)
        note(self.ledger, outcome, self.recipe)
        return outcome


def _computed(pool: Sequence[Any], tasks: Iterator[Task]) -> Iterator[Outcome]:
    """Outcomes in the order in which they come; a task is taken when a worker has room for it."""
    running: dict[Any, tuple[Any, Task]] = {}

    def give(worker: Any) -> None:
        task = next(tasks, None)
        if task is not None:
            how = {"max_task_retries": _RETRIES, "retry_exceptions": [OSError, MemoryError]}
            running[worker.predict.options(**how).remote(task)] = (worker, task)

    for _ in range(_AHEAD):
        for worker in pool:
            give(worker)
    while running:
        (done,), _ = ray.wait(list(running), num_returns=1)
        worker, task = running.pop(done)
        give(worker)
        try:
            yield ray.get(done)
        except ray.exceptions.RayActorError:
            yield Outcome(
                task.source, None, f"{task.source}: its worker died {1 + _RETRIES} times, for want of memory?"
            )
        except ray.exceptions.RayTaskError as error:
            yield Outcome(task.source, None, str(error.cause) or type(error.cause).__name__)
