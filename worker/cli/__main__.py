"""`python -m worker.cli` is `portal-sync`, for whoever starts processes by their interpreter."""

import sys

from worker.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
