"""Did you mean ...? For verbs, groups, options and keys alike."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """``" (did you mean x?)"``, or nothing where no option is close."""
    options = list(options)
    # what differs only in case, dashes or a plural is closer than any edit distance
    same = [option for option in options if _plain(option) == _plain(word)]
    close = same or get_close_matches(word, options, n=1, cutoff=0.6)
    return f" (did you mean {close[0]}?)" if close else ""


def one_of(options: Iterable[str], limit: int = 12) -> str:
    """The options as a phrase, the first ``limit`` of them."""
    names = sorted(options)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def _plain(word: str) -> str:
    return word.lower().replace("-", "_").removesuffix("s")
