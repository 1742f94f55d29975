"""`python -m worker.cli` is `portal-sync`, for callers that start processes by their interpreter."""

import sys

from worker.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
