"""A clock that runs faster than the database's, the same for every process that was told the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from portal_db.database import Tx
from portal_db.types import database_time


@dataclass(frozen=True)
class FastClock:
    """At `origin` by the database's clock it is `begins`; from then on time passes `factor` times as fast."""

    origin: datetime
    begins: datetime
    factor: float

    def __call__(self, tx: Tx) -> datetime:
        return self.begins + (database_time(tx.session) - self.origin) * self.factor

    def write(self, file: Path) -> None:
        """Tell those who wait for it; the file is there at once or not at all."""
        made = file.with_suffix(".new")
        made.write_text(f"{self.origin.isoformat()} {self.begins.isoformat()} {self.factor}")
        made.rename(file)

    @classmethod
    def read(cls, file: Path) -> Self:
        origin, begins, factor = file.read_text().split()
        return cls(datetime.fromisoformat(origin), datetime.fromisoformat(begins), float(factor))
