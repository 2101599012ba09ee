"""``python -m unetzoo_runtime``."""

import sys

from .cli import main

sys.exit(main())
