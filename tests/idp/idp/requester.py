"""What a host says about itself in `device_name`, made fit for a page.

devauth sends `USER@HOST (SERVICE, from ADDRESS)` or `USER@HOST (SERVICE, on
TTY)`. It is free text from a stranger: anything else is shown as it came.
"""

import re

FORM = re.compile(
    r"(?P<account>[A-Za-z0-9._-]{1,64})@(?P<host>[A-Za-z0-9._-]{1,253}) "
    r"\((?P<service>[A-Za-z0-9._-]{1,32}), "
    r"(?:from (?P<source>[0-9A-Za-z.:%_-]{1,80})"
    r"|on (?P<terminal>[A-Za-z0-9._/-]{1,64}))\)")

SERVICES = {
    "sshd": "Remote login (SSH)",
    "login": "Console login",
    "sudo": "Administrator rights (sudo)",
    "su": "Change of user (su)",
}
# field of the form -> label on the page, in this order
LABELS = {"account": "Account", "host": "Host", "service": "Service",
          "source": "From", "terminal": "Terminal"}


def visible(text):
    """The text with everything that could hide or turn it spelled out."""
    return "".join(letter if letter.isprintable()
                   else f"\\u{{{ord(letter):x}}}" for letter in text)


def rows(device_name):
    """(field, label, text, technical name) for the confirmation page."""
    match = FORM.fullmatch(device_name)
    if not match:
        text = visible(device_name) or "(it does not say)"
        return [("raw", "Who asks", text, None)]
    found = []
    for field, label in LABELS.items():
        text = match[field]
        if text is not None:
            known = SERVICES.get(text) if field == "service" else None
            found.append((field, label, known or text, text))
    return found


def part(device_name, field):
    """One field of the text, if it has the usual form."""
    match = FORM.fullmatch(device_name)
    return match[field] if match else None
