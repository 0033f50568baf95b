"""What happened: requests, violations of the RFCs, connections."""

import collections
import time

MAX_REQUESTS = 20000
MAX_VIOLATIONS = 1000
SECRET_FIELDS = {"device_code", "client_secret", "refresh_token", "token",
                 "client_assertion", "access_token", "password", "otp", "csrf"}


class Journal:
    """Read over the control interface; holds no secret."""

    def __init__(self):
        self.clear()

    def clear(self):
        self.requests = collections.deque(maxlen=MAX_REQUESTS)
        self.violations = collections.deque(maxlen=MAX_VIOLATIONS)
        self.counters = collections.Counter()
        self.hellos = 0
        self.connections = 0
        self.resumed = 0

    def hello(self):
        """A TLS handshake began."""
        self.hellos += 1

    def connection(self, resumed):
        """A TLS handshake was completed, with or without resumption."""
        self.connections += 1
        self.resumed += bool(resumed)

    def open(self, request, endpoint, connection):
        """Start the record of a request; the caller adds the outcome."""
        path, _, query = request.raw_path.partition("?")
        record = {
            "time": time.time(), "method": request.method, "path": path,
            "query": sorted(part.partition("=")[0]
                            for part in query.split("&") if part),
            "endpoint": endpoint, "connection": connection.number,
            "on_connection": connection.requests,
            "accept": request.headers.get("Accept"),
            "user_agent": request.headers.get("User-Agent"),
            "dpop": "DPoP" in request.headers,
            "form": {}, "auth": None, "client_id": None,
            "status": None, "error": None, "played": [],
        }
        self.requests.append(record)
        self.counters[endpoint] += 1
        return record

    @staticmethod
    def note_form(record, form):
        """The fields of a form; of a secret only its presence."""
        record["form"] = {name: None if name in SECRET_FIELDS else value
                          for name, value in form.items()}

    def violate(self, endpoint, text):
        """Record that a request broke the text of an RFC."""
        self.violations.append(
            {"time": time.time(), "endpoint": endpoint, "what": text})

    def report(self):
        return {
            "requests": list(self.requests),
            "counters": dict(self.counters),
            "violations": list(self.violations),
            "tls": {"hellos": self.hellos, "connections": self.connections,
                    "full": self.connections - self.resumed,
                    "resumed": self.resumed},
        }
