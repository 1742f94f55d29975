"""The folder of a local system: what is in it is for its owner alone."""

from __future__ import annotations

from pathlib import Path
from stat import S_IMODE

from worker.local.running import prepared
from worker.local.stack import KEYS, Plan


def mode_while_prepared(folder: Path) -> int:
    with prepared(Plan(folder, clients=1, seed=1), kept=True, what="the portal") as ready:
        return S_IMODE(ready.folder.stat().st_mode)


def test_a_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    assert mode_while_prepared(tmp_path / "new" / "data") == 0o700


def test_one_of_an_earlier_release_is_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o755)
    (folder / KEYS).touch()
    assert mode_while_prepared(folder) == 0o700


def test_a_folder_that_holds_nothing_of_ours_is_left_as_it_is(tmp_path: Path) -> None:
    """`--data /tmp` must not close it to everybody else."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o755)
    assert mode_while_prepared(folder) == 0o755
