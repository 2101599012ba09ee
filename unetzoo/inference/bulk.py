"""Many inputs of one run: which are left, what became of the others, and what is told of it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from .filejob import Outcome
from .jobs import Ledger, Task, key_of, make_folder, plan
from .progress import Bar


class Bulk:
    """The books of a run, whoever computes; a second run of the same finishes what is missing.

    Args:
        recipe: Everything but the file that a result depends on; None if that is not known, and nothing is
            taken for finished.

    Raises:
        FileNotFoundError: If an input is missing.
        OSError: If the output folder cannot be written.
        ValueError: If a folder holds no images, or two inputs would be written to one file.
    """

    def __init__(self, inputs: Sequence[str | Path], out: str | Path, recipe: str | None) -> None:
        self.tasks, self.recipe = plan(inputs, out), recipe
        self._made = [
            folder for folder in sorted({task.folder for task in self.tasks}) if make_folder(folder)
        ]
        self.ledger = Ledger(Path(out))
        self.bar = Bar(len(self.tasks))
        self._outcomes: dict[Path, Outcome] = {}

    def rest(self) -> Iterator[Task]:
        """What is not finished yet."""
        for task in self.tasks:
            before = None if self.recipe is None else self.ledger.finished(_key(task.source, self.recipe))
            if before is None:
                yield task
            else:
                self.ended(Outcome(task.source, before, None))

    def note(self, outcome: Outcome) -> None:
        """Write into the ledger that a result is there."""
        note(self.ledger, outcome, self.recipe)

    def ended(self, outcome: Outcome) -> None:
        """There is a result, or a reason why there is none."""
        self._outcomes[outcome.source] = outcome
        if outcome.target is None:
            self.bar.say(f"error: {outcome.error}")
        self.bar.finish()

    def close(self) -> list[Outcome]:
        """What became of all inputs, in their order."""
        self.bar.close()
        if all(outcome.target is not None for outcome in self._outcomes.values()):
            self.ledger.close()
        for folder in reversed(self._made):
            if not any(folder.iterdir()):
                folder.rmdir()
        return [self._outcomes[task.source] for task in self.tasks]


def note(ledger: Ledger, outcome: Outcome, recipe: str | None) -> None:
    """Write into a ledger that a result is there, if a later run can know that it is the same."""
    if outcome.target is not None and recipe is not None:
        ledger.note(_key(outcome.source, recipe), outcome.target)


def _key(source: Path, recipe: str) -> str:
    """Of an input that may be missing."""
    return key_of(source, recipe) if source.exists() else ""
