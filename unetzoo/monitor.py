"""The test split decides nothing: a metric of it that a run should watch is refused."""

from collections.abc import Iterable

__all__ = ["refuse_test_monitor"]


def refuse_test_monitor(settings: Iterable[tuple[str, object]]) -> None:
    """Refuse keys that end in ``monitor`` and name a metric of the test split.

    Raises:
        ValueError: Naming the first of them.
    """
    for key, value in settings:
        if key.rpartition(".")[2] == "monitor" and str(value).strip("'\"").partition("/")[0] == "test":
            metric = str(value).strip("'\"")
            raise ValueError(
                f"{key}={metric}: the test split is measured once, by `unetzoo eval`, and chooses nothing; "
                f"monitor val/{metric.partition('/')[2] or 'dice'}"
            )
