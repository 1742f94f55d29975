"""The side navigation: of staff, headings with links in the words of the support article; of clients, a few links."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Link:
    """A link of the navigation."""

    text: str
    path: str
    icon: str
    #: Whether only owners and account admins have the page.
    is_managers: bool = False

    def is_current(self, here: str) -> bool:
        """Whether this path is the link's page or a page below it."""
        return here == self.path or here.startswith(f"{self.path}/")


NAVIGATION: tuple[tuple[str, tuple[Link, ...]], ...] = (
    (
        "Clients",
        (
            Link("Client list", "/clients", "clients"),
            Link("What needs me", "/needs-me", "task"),
            Link("Review", "/review", "link"),
            Link("Integration progress", "/integration-progress", "progress"),
        ),
    ),
    ("Configure", (Link("Integrations", "/configure/integrations", "plug"),)),
    (
        "Admin settings",
        (
            Link("Firm", "/admin/firm", "entity", is_managers=True),
            Link("Staff", "/admin/staff", "person", is_managers=True),
            Link("Security", "/admin/security", "lock"),
            Link("API keys", "/admin/api-keys", "plug", is_managers=True),
            Link("Webhooks", "/admin/webhooks", "mail", is_managers=True),
            Link("Audit", "/admin/audit", "note", is_managers=True),
        ),
    ),
)

CLIENT_NAVIGATION = (Link("Tasks", "/my/tasks", "task"), Link("Your details", "/my/details", "person"),
                     Link("Terms of use", "/my/terms", "note"))  # fmt: skip
