"""One running simulator: its practices by tenant, and the state that the gate, the XPM calls and the control API share."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from xpm.simulator.clock import Clock
from xpm.simulator.counters import Counters
from xpm.simulator.faults import Faults
from xpm.simulator.identity.access import IdentityAccess, StaticAccess
from xpm.simulator.identity.grants import Grants
from xpm.simulator.knobs import Knobs
from xpm.simulator.practice.model import Client, Practice
from xpm.simulator.quota import Limits, Quota
from xpm.simulator.tenants import Tenant


class Simulator:
    """The state of a simulator, without its server."""

    def __init__(
        self,
        tenants: Mapping[str, Tenant],
        access_token: str,
        *,
        clock: Clock,
        limits: Limits,
        enforce_quota: bool,
        knobs: Knobs,
        client_id: str,
        client_secret: str,
    ) -> None:
        self.tenants = tenants
        self.clock = clock
        self.client_id = client_id
        self.client_secret = client_secret
        self.grants = Grants(self.clock)
        self.quota = Quota(limits, self.clock.now, enforce=enforce_quota)
        self.counters = Counters(self.clock.now)
        self.faults = Faults()
        self.knobs = knobs
        static = StaticAccess(access_token, tenants.keys())
        self.access = IdentityAccess(static, self.grants, self.clock.now, lambda: self.knobs)

    @property
    def practices(self) -> dict[str, Practice]:
        """The practices by tenant id."""
        return {tenant_id: tenant.practice for tenant_id, tenant in self.tenants.items()}

    def find(self, uuid: UUID) -> tuple[Tenant, Client] | None:
        """A client of any tenant, with that tenant."""
        for tenant in self.tenants.values():
            if uuid in tenant.practice.clients:
                return tenant, tenant.practice.clients[uuid]
        return None
