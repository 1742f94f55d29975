"""The side navigation: headings with links, in the words of the article."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Link:
    """A page of the navigation. It is also the place of the pages below its path."""

    text: str
    path: str
    icon: str

    def holds(self, here: str) -> bool:
        """Whether somebody at this path is in this place."""
        return here == self.path or here.startswith(f"{self.path}/")


NAVIGATION: tuple[tuple[str, tuple[Link, ...]], ...] = (
    (
        "Clients",
        (
            Link("Client list", "/clients", "clients"),
            Link("Integration progress", "/integration-progress", "progress"),
        ),
    ),
    ("Configure", (Link("Integrations", "/configure/integrations", "plug"),)),
    ("Admin settings", (Link("Security", "/admin/security", "lock"),)),
)
