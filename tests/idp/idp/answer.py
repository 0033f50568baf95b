"""Answers, and how they are changed before they are sent."""

import dataclasses
import json
from typing import Any, Optional

from .quirks import pick
from .values import merge, resolve
from .variants import ERROR_BODIES, ERROR_DESCRIPTIONS

JSON = "application/json"
HTML = "text/html; charset=utf-8"
# RFC 6749 5.1: answers with tokens in them are not to be stored.
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


@dataclasses.dataclass
class Answer:
    """An HTTP answer as data: JSON (`json`) or text (`text`)."""

    status: int = 200
    json: Any = None
    text: Optional[str] = None
    headers: dict = dataclasses.field(default_factory=dict)
    error: Optional[str] = None  # the OAuth error code, if it is one
    # Fields of overrides that change how the answer is delivered.
    delivery: dict = dataclasses.field(default_factory=dict)

    def kind(self):
        """What the `when` of an override is compared with."""
        return {self.error, "error" if self.error or self.status >= 400
                else "success"}

    def body(self):
        text = self.text if self.text is not None else self._json_text()
        return text.encode("utf-8", "surrogatepass")

    def _json_text(self):
        if self.json is None:
            return ""
        if not isinstance(self.json, dict):
            return json.dumps(self.json)
        members = [f"{json.dumps(name)}: {json.dumps(value)}"
                   for name, value in self.json.items()]
        if self.delivery.get("reverse"):
            members.reverse()
        if self.delivery.get("duplicate"):
            members += [f'{json.dumps(name)}: "duplicate"'
                        for name in self.json]
        return "{" + self.delivery.get("prefix", "") + ", ".join(members) + "}"

    def apply(self, override, names):
        """Play an override (see quirks.OVERRIDE_FIELDS)."""
        override = dict(override)
        if "status" in override:
            self.status = override.pop("status")
        if "body" in override:
            body = resolve(override.pop("body"), names)
            self.text = body if isinstance(body, str) else json.dumps(body)
            self.error = None
        if "merge" in override and isinstance(self.json, dict):
            merge(self.json, override["merge"], names)
        for name, value in override.get("headers", {}).items():
            for present in [key for key in self.headers
                            if key.lower() == name.lower()]:
                del self.headers[present]
            self.headers[name] = resolve(value, names)
        self.delivery.update(override)

    def apply_error_quirks(self, quirks):
        """Status, description and body of OAuth errors, as the quirks say."""
        if self.error is None:
            return
        if "error_description" in quirks:
            self.json["error_description"] = pick(
                ERROR_DESCRIPTIONS, quirks.get("error_description"))
        status = for_error(quirks.get("error_status"), self.error)
        if status is not None:
            self.status = status
        body = for_error(quirks.get("error_body"), self.error)
        if body is not None:
            self.text = pick(ERROR_BODIES, body)

    def header_fields(self):
        """(name, value) pairs; a list is several fields, None is no field."""
        for name, value in self.headers.items():
            for one in value if isinstance(value, list) else [value]:
                if one is not None:
                    yield name, str(one)


def for_error(value, error):
    """The value of a quirk that is either one for all or {error: value}."""
    return value.get(error) if isinstance(value, dict) else value


def json_answer(value, status=200, headers=None):
    return Answer(status, json=value,
                  headers={"Content-Type": JSON,
                           **(NO_STORE if headers is None else headers)})


def oauth_error(code, text, status=400, headers=None):
    """RFC 6749 5.2."""
    return Answer(status, json={"error": code, "error_description": text},
                  error=code, headers={
                      "Content-Type": JSON, **NO_STORE, **(headers or {})})


class Refused(Exception):
    """Ends the work on a request; carries the Answer."""

    def __init__(self, answer):
        super().__init__(answer.error)
        self.answer = answer


def refuse(code, text, status=400, headers=None):
    raise Refused(oauth_error(code, text, status, headers))
