"""`python -m tests.faults.start worker|relay|alone …`: loads `entry` in the same way as the product's own commands."""

import sys

from config.loading import loading

if __name__ == "__main__":
    with loading():
        from tests.faults.entry import main
    sys.exit(main(*sys.argv[1:]))
