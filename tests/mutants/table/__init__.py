"""The mutants, one file per area."""

from tests.mutants.mutant import Mutant
from tests.mutants.table import delivery, handlers, record, xpm

MUTANTS: tuple[Mutant, ...] = (*record.MUTANTS, *delivery.MUTANTS, *handlers.MUTANTS, *xpm.MUTANTS)
