"""``python -m unetzoo <verb>`` is the same as ``unetzoo <verb>``."""

import sys

from unetzoo.cli import main

if __name__ == "__main__":
    sys.exit(main())
