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
    """At `origin` by the database's clock it is `begins`. From then on time passes `factor` times as fast, and stands still
    at `ends`: what is late on a busy machine is not counted together with what is due the night after."""

    origin: datetime
    begins: datetime
    ends: datetime
    factor: float

    def __call__(self, tx: Tx) -> datetime:
        return min(self.begins + (database_time(tx.session) - self.origin) * self.factor, self.ends)

    def write(self, file: Path) -> None:
        """Tell those who wait for it; the file is there at once or not at all."""
        made = file.with_suffix(".new")
        made.write_text(f"{self.origin.isoformat()} {self.begins.isoformat()} {self.ends.isoformat()} {self.factor}")
        made.rename(file)

    @classmethod
    def read(cls, file: Path) -> Self:
        *times, factor = file.read_text().split()
        origin, begins, ends = map(datetime.fromisoformat, times)
        return cls(origin, begins, ends, float(factor))
