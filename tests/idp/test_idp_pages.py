"""Tests of the pages, with the eyes of a program.

    /usr/bin/python3 -m pytest tests/idp
"""

import os
import re
import subprocess

import pytest

import approve
from approve import Idp, PageError, Person
from idp import pages, requester
from relying_party import DEVICE_NAME, PUBLIC, claims_of


def test_pages_step_by_step(idp, api):
    started = api.start()
    person = idp.person()
    page = person.open(started["verification_uri"])
    assert page.kind == "enter-code"
    assert page.title == "Enter code · Test sign-in"
    assert "Not for production" in page.html
    assert "script-src" not in page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "<script" not in page.html and "http" not in re.sub(
        r"<style>.*</style>", "", page.html, flags=re.S)
    sloppy = started["user_code"].lower().replace("-", " ") + " "
    page = person.submit_code(sloppy)
    assert page.kind == "sign-in" and started["user_code"] in page.text
    page = person.submit("password", username="alice", password="wrong")
    assert page.problem == pages.WRONG_PASSWORD and page.status == 403
    assert page.forms[0].fields["username"] == "alice"
    person.sign_in()
    assert person.read_confirmation() == {
        "account": "alice", "host": "web1", "service": "sshd",
        "source": "203.0.113.7", "code": started["user_code"],
        "signed_in_as": "alice"}
    assert person.page.heading == "Sign in to web1?"
    assert "If you did not start this yourself" in person.page.text
    page = person.press("deny")
    assert page.kind == "denied" and "web1" in page.text
    page = person.open(started["verification_uri_complete"])
    assert page.kind == "enter-code"
    assert person.submit_code().kind == "already-denied"
    cookie = next(iter(person.cookies))
    assert cookie.name == "__Host-idp" and cookie.secure
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "Lax"


def test_pages_early_ends(idp, api, control):
    url = f"{idp.issuer}/device"
    outcome = idp.person().approve(url, "BBBB-BBBB")
    assert outcome.result == "enter-code" and "No sign-in is" in outcome.text
    started = api.start()
    address = started["verification_uri_complete"]
    outcome = idp.person("dave").approve(address)
    assert outcome.result == "sign-in" and outcome.text == pages.DISABLED
    outcome = idp.person("alice", "wrong").approve(address)
    assert outcome.result == "sign-in" and not outcome.ok
    control.expire(started["user_code"])
    assert idp.person().approve(address).result == "expired"
    other = api.start()
    control.approve("alice", other["user_code"])
    assert idp.person().approve(
        other["verification_uri_complete"]).result == "already-used"
    assert idp.person().open(f"{idp.issuer}/nowhere").status == 404


def test_wrong_codes_are_slowed_down(idp, api):
    person = idp.person()
    person.open(f"{idp.issuer}/device")
    kinds = [person.submit_code(f"BBBB-BBB{letter}").kind
             for letter in "BCDFGHJKLM"]
    assert set(kinds) == {"enter-code"}
    person.open(f"{idp.issuer}/device")
    assert person.submit_code("BBBB-BBBN").kind == "too-many"


def test_csrf_and_session(idp, api):
    started = api.start()
    person = idp.person()
    person.arrive(started["verification_uri_complete"])
    form = person.page.form("decision")
    for token in ("", "x" * 32):
        page = person.open(f"{idp.issuer}/device/confirm", {
            **form.fields, "csrf": token, "decision": "approve"})
        assert (page.kind, page.status) == ("stale", 403)
    anybody = idp.person()
    page = anybody.open(f"{idp.issuer}/device/confirm?user_code="
                        + started["user_code"])
    assert page.kind == "sign-in"
    assert idp.control.state()["codes"][0]["status"] == "pending"


def test_signed_in_stays_and_can_change(idp, api):
    person = idp.person("bob")
    person.approve(api.start()["verification_uri_complete"])
    started = api.start()
    person.open(started["verification_uri_complete"])
    page = person.submit_code()
    assert page.kind == "confirm" and page.facts["signed_in_as"] == "bob"
    assert "account on the host is called alice" in page.text
    form = next(form for form in page.forms if form.action == "/sign-out")
    page = person.open(f"{idp.issuer}{form.action}", form.fields)
    assert page.kind == "sign-in"
    person.username, person.password = "alice", "alice-password"
    assert person.sign_in().facts["signed_in_as"] == "alice"
    home = person.open(idp.issuer)
    assert home.kind == "home" and home.facts["signed_in_as"] == "alice"
    assert person.submit("csrf").kind == "home"  # sign out


def test_max_age_and_second_factor(idp, api):
    person = idp.person()
    person.approve(api.start()["verification_uri_complete"])
    started = api.start(max_age="0")
    person.open(started["verification_uri_complete"])
    assert person.submit_code().kind == "sign-in"
    assert person.sign_in().kind == "confirm"
    started = api.start(acr_values="urn:example:acr:second-factor")
    person.open(started["verification_uri_complete"])
    assert person.submit_code().kind == "second-factor"
    assert person.submit("otp", otp="000000").problem == pages.WRONG_OTP
    person.sign_in()
    person.press("approve")
    claims = claims_of(api.poll(started).json["id_token"])
    assert claims["acr"] == "urn:example:acr:second-factor"
    assert claims["amr"] == ["pwd", "otp", "mfa"]


@pytest.mark.parametrize("text, fields", [
    ("bob@db-2.example.com (sudo, on pts/3)", {
        "account": "bob", "host": "db-2.example.com", "service": "sudo",
        "terminal": "pts/3"}),
    ("bob@web1 (sshd, from fe80::1%eth0)", {
        "account": "bob", "host": "web1", "service": "sshd",
        "source": "fe80::1%eth0"}),
    ('<b onclick="x">&amp;\u202e\x1b[2J', {
        "raw": '<b onclick="x">&amp;\\u{202e}\\u{1b}[2J'}),
    ("a@b (sshd, from 1.2.3.4) (sshd, from 5.6.7.8)", {
        "raw": "a@b (sshd, from 1.2.3.4) (sshd, from 5.6.7.8)"}),
    ("", {"raw": "(it does not say)"}),
])
def test_who_asks(idp, api, text, fields):
    more = {"device_name": text} if text else {}
    reply = api.post("/device_authorization", {
        "client_id": PUBLIC, **more}).json
    person = idp.person()
    person.arrive(reply["verification_uri_complete"])
    found = person.read_confirmation()
    assert {name: found[name] for name in fields} == fields
    assert set(found) == set(fields) | {"code", "signed_in_as"}
    assert "<b onclick" not in person.page.html


def test_person_says_what_is_wrong(idp):
    person = idp.person()
    person.open(f"{idp.issuer}/device")
    with pytest.raises(PageError, match="enter-code"):
        person.press("approve")


def test_approve_as_a_program(idp, api):
    started = api.start()
    done = subprocess.run(
        [os.path.realpath(approve.__file__), "--ca", idp.ca_file, "--url",
         started["verification_uri"], "--code", started["user_code"],
         "--user", "alice"], capture_output=True, text=True, check=True)
    assert re.search(r"^host: +web1$", done.stdout, re.M)
    assert "Approved" in done.stdout


def luminance(colour):
    def linear(part):
        value = int(part, 16) / 255
        return value / 12.92 if value <= .04045 else (
            (value + .055) / 1.055) ** 2.4
    red, green, blue = (linear(colour[at:at + 2]) for at in (1, 3, 5))
    return .2126 * red + .7152 * green + .0722 * blue


def test_contrast():
    """WCAG 2.1 AA, light and dark: 4.5 for text, 3 for the field's edge."""
    schemes = [dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", part))
               for part in pages.STYLE.split("@media")[:2]]
    for colours in schemes:
        for front, back, least in (
                ("ink", "card", 4.5), ("ink", "page", 4.5),
                ("soft", "card", 4.5), ("soft", "page", 4.5),
                ("soft", "well", 4.5), ("ink", "well", 4.5),
                ("on-accent", "accent", 4.5), ("accent", "card", 4.5),
                ("on-accent", "accent-strong", 4.5), ("bad", "card", 4.5),
                ("bad", "bad-well", 4.5), ("warn", "warn-well", 4.5),
                ("good", "good-well", 3), ("field", "card", 3)):
            light, dark = sorted((luminance(colours[front]),
                                  luminance(colours[back])), reverse=True)
            assert (light + .05) / (dark + .05) >= least, (front, back)


def test_requester_form_is_strict():
    assert requester.part("a b@c (sshd, from 1.2.3.4)", "host") is None
    assert requester.part(DEVICE_NAME, "host") == "web1"


def test_person_needs_the_right_ca(idp, tmp_path):
    with Idp(tmp_path) as other:
        stranger = Person(other.ca_file, "alice")
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            stranger.open(idp.issuer)
