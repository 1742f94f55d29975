"""What the portal should hold after any sequence of edits in XPM, imports, reviews and re-syncs: b.15 to b.27 and b.36, in
order and in the fewest words. No database, no versions, no times."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from handlers.relationships.labels import read

Key = tuple[str, int]


@dataclass(frozen=True)
class Told:
    """One relationship in XPM: its label, who the other side is and is called, and whether it has ended."""

    label: str
    other: int
    name: str
    ended: bool

    @property
    def key(self) -> Key:
        return read(self.label).role, self.other


@dataclass
class Record:
    """A client's record in XPM."""

    phone: str | None = None
    email: str | None = None
    relationships: tuple[Told, ...] = ()


@dataclass
class ItemModel:
    told: Told
    state: str = "pending"
    gone: bool = False


@dataclass
class MemberModel:
    name: str
    tied: int | None = None
    amended: bool = False


@dataclass
class Model:
    """A client in the portal. `taken`: the record that was last taken in by an import or a re-sync."""

    taken_email: str
    connected: bool = True
    taken: Record | None = None
    fields: dict[str, str] = field(default_factory=dict)
    conflict: bool = False
    items: dict[Key, ItemModel] = field(default_factory=dict)
    members: list[MemberModel] = field(default_factory=list)

    def import_all(self, record: Record) -> None:
        self._take_details(record)
        self._take_relationships(record)
        for item in self.items.values():
            if item.state == "ignored" and not item.gone:  # b.20
                item.state = "pending"
            if item.state == "pending" and item.gone:  # b.27
                item.state = "superseded"

    def resync(self, record: Record) -> None:
        if self.connected and self.taken is not None and self.taken != record:  # it is for what somebody imported
            self._take_relationships(record)

    def _take_details(self, record: Record) -> None:
        if record.phone:  # b.15, b.16: replaced, and a blank erases nothing
            self.fields["phone"] = record.phone
        self.conflict = record.email == self.taken_email
        if record.email and not self.conflict:  # b.17
            self.fields["email"] = record.email

    def _take_relationships(self, record: Record) -> None:
        self.taken = replace(record)
        told = {each.key: each for each in record.relationships}
        for key, item in self.items.items():
            item.gone = key not in told
        for key, each in told.items():
            item = self.items.setdefault(key, ItemModel(each))  # b.18: one item each
            item.told = each
            if item.state == "superseded":
                item.state = "pending"
            for member in self.members:  # b.19, b.21
                if member.tied == each.other and not member.amended:
                    member.name = each.name

    def take_in(self, key: Key, amended: str | None) -> None:
        """b.21: an imported item is tied to its record, and a record to one member."""
        item = self.items[key]
        item.state = "imported"
        member = next((each for each in self.members if each.tied == key[1]), None)
        if member is None:
            member = MemberModel(item.told.name, tied=key[1])
            self.members.append(member)
        member.name = amended or member.name
        member.amended = member.name != item.told.name

    def link(self, key: Key, number: int) -> bool:
        """b.22: the member becomes what XPM says, unless one of the two is tied already."""
        member = self.members[number]
        others = [each for each in self.members if each.tied == key[1] and each is not member]
        if others or member.tied not in (None, key[1]):
            return False
        self.items[key].state = "linked"
        member.name, member.tied, member.amended = self.items[key].told.name, key[1], False
        return True

    def enter(self, name: str) -> None:
        self.members.append(MemberModel(name))

    def ignore(self, key: Key) -> None:
        self.items[key].state = "ignored"

    def disconnect(self) -> None:
        """b.34, b.36: what was imported stays, ties go."""
        self.connected, self.taken = False, None
        for item in self.items.values():
            if item.state != "ignored":
                item.state = "superseded"
        for member in self.members:
            member.tied = None

    def pending(self) -> list[Key]:
        return sorted(key for key, item in self.items.items() if item.state == "pending")
