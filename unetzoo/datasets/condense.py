"""What a check found, said once where it is the same for many files or for many parts of one."""

import re
from collections.abc import Sequence

_NAME = r"(?:\S*[/\\.]\w[^\s:;,)]*|'[^']*'|\d+)"  # a path or file name, whatever is quoted, a number
_NAMES = re.compile(rf"{_NAME}(?:(?:, | and ){_NAME})*")


def condense(sentences: Sequence[str]) -> list[str]:
    """The first of all sentences that differ only in files, names and numbers, with the count of the others.

    What stands before the first colon is the file, and makes no difference.
    """
    alike: dict[str, list[str]] = {}
    for sentence in sentences:
        subject, colon, reason = sentence.partition(": ")
        alike.setdefault(_NAMES.sub("#", reason if colon else subject), []).append(sentence)
    return [same[0] + (f" (and {len(same) - 1} more)" if same[1:] else "") for same in alike.values()]
