"""A person at the portal's pages: reads what is there, follows links, fills forms in and sends them; without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx

from tests.web.desk import PASSWORD, Desk, Person

VOID = {"meta", "link", "input", "br", "hr", "use", "path", "img"}


@dataclass
class Element:
    """An element with its attributes, what is in it, and where it stands."""

    tag: str
    attributes: dict[str, str]
    parent: Element | None = None
    children: list[Element | str] = field(default_factory=list)

    def __getitem__(self, name: str) -> str:
        return self.attributes.get(name, "")

    def all(self, *tags: str) -> Iterator[Element]:
        """The elements in it, in order."""
        for child in self.children:
            if isinstance(child, Element):
                if not tags or child.tag in tags:
                    yield child
                yield from child.all(*tags)

    @property
    def text(self) -> str:
        parts = (child if isinstance(child, str) else child.text for child in self.children)
        return " ".join(" ".join(parts).split())


class _Tree(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = self.here = Element("document", {})

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, self.here)
        self.here.children.append(element)
        if tag not in VOID:
            self.here = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.here.children.append(Element(tag, {name: value or "" for name, value in attrs}, self.here))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        assert self.here.tag == tag, f"</{tag}> closes <{self.here.tag}>"
        assert self.here.parent is not None
        self.here = self.here.parent

    def handle_data(self, data: str) -> None:
        self.here.children.append(data)


def parse(html: str) -> Element:
    """A page as a tree. Every element is closed by its own end tag, or the test fails."""
    tree = _Tree()
    tree.feed(html)
    assert tree.here is tree.root, f"<{tree.here.tag}> is not closed"
    return tree.root


@dataclass
class Page:
    """A page as it came."""

    answer: httpx.Response
    root: Element

    @classmethod
    def of(cls, answer: httpx.Response) -> Page:
        return cls(answer, parse(answer.text))

    @property
    def status(self) -> int:
        return self.answer.status_code

    @property
    def path(self) -> str:
        return self.answer.url.path

    @property
    def text(self) -> str:
        return self.root.text

    @property
    def heading(self) -> str:
        return next(self.root.all("h1")).text

    @property
    def main(self) -> Element:
        return next(self.root.all("main"))

    def links(self) -> dict[str, str]:
        return {link.text: link["href"] for link in self.root.all("a")}

    def form(self, action: str) -> dict[str, str]:
        """What the form with this action would send as it stands; the main part's rather than the top bar's."""
        forms = (*self.main.all("form"), *self.root.all("form"))
        form = next(found for found in forms if found["action"] == action)
        values = {}
        for item in form.all("input", "select", "textarea"):
            if item.tag == "select":
                options = list(item.all("option"))
                chosen = next((option for option in options if "selected" in option.attributes), options[0])
                values[item["name"]] = chosen["value"]
            elif item["type"] not in ("radio", "checkbox") or "checked" in item.attributes:
                typed = "".join(child for child in item.children if isinstance(child, str))
                values[item["name"]] = item["value"] if item.tag == "input" else typed
        return values

    def faults(self) -> dict[str, str]:
        """What is wrong, by the field at which it stands."""
        return {item["id"].removesuffix("-fault"): item.text for item in self.root.all("p") if item["class"] == "fault"}

    def labels(self) -> dict[str, str]:
        """The fields' labels, and the ids they belong to."""
        return {label.text: label["for"] for label in self.root.all("label")}


@dataclass
class Reader:
    """Somebody at a browser."""

    browser: httpx.Client

    def open(self, path: str, **query: str) -> Page:
        return Page.of(self.browser.get(path, params=query or None))

    def send(self, page: Page, action: str, **typed: str) -> Page:
        """Fill in the form with this action and send it, and look where that leads."""
        return self.post(action, {**page.form(action), **typed})

    def post(self, path: str, values: dict[str, str]) -> Page:
        return Page.of(self.browser.post(path, data=values))


def stranger(desk: Desk) -> Reader:
    """Somebody who has not signed in."""
    return Reader(desk.browser(headers={"Accept": "text/html"}, follow_redirects=True))


def reader(desk: Desk, person: Person) -> Reader:
    """Somebody who signed in by the sign-in page."""
    found = stranger(desk)
    page = found.send(found.open("/sign-in"), "/sign-in", email=person.email, password=PASSWORD)
    assert page.path == "/clients", page.text
    return found
