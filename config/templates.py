"""Reads templates once, at start. A release is installed in place, over the one that runs: a process that read a template
later would fill in another release's."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, FunctionLoader, PackageLoader


@cache
def read_templates(package: str) -> FunctionLoader:
    """All templates of a package, as its files are now."""
    files, unused = PackageLoader(package), Environment(autoescape=True)
    found = {name: (*files.get_source(unused, name)[:2], None) for name in files.list_templates()}
    return FunctionLoader(found.get)
