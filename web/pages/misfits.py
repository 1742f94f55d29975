"""What does not fit of a form, by field, in a person's words."""

from __future__ import annotations

from pydantic import ValidationError

from web.pages.forms import Faults
from web.problems import Fault


def faults_of(error: ValidationError) -> Faults:
    """Every field that does not fit."""
    found = {}
    for item in error.errors(include_url=False, include_input=False, include_context=False):
        is_missing = item["type"] == "missing"
        words = "is missing" if is_missing else item["msg"].removeprefix("Value error, ")
        # A rule about two fields has words that begin with the one to change.
        name = str(item["loc"][0]) if item["loc"] else words.partition(" ")[0]
        for prefix in (f"{name} ", "Input ", "String "):
            words = words.removeprefix(prefix)
        message = f"The {name.replace('_', ' ')} {words}."
        remedy = "Fill it in." if is_missing else "Correct it."
        found[name] = Fault(code="bad_request", field=name, message=message, remedy=remedy)
    return Faults(found)
