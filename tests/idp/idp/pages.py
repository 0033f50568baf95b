"""The looks of the pages: plain HTML, one inline style, no script.

Everything that comes from a host or a person goes through `esc`.
"""

import base64
import hashlib
import html
import re
import time

from . import requester

WRONG_PASSWORD = "That user name and password do not go together."
TOO_MANY_PASSWORDS = "Too many attempts. Wait a minute, then try again."
DISABLED = "This account is disabled. Ask your administrator."
WRONG_OTP = "That one-time code is not right."

STYLE = """
:root {
  color-scheme: light dark;
  --page: #eef1f6; --card: #ffffff; --ink: #171a21; --soft: #545c6b;
  --line: #d9dee8; --field: #808998; --well: #f5f7fb;
  --accent: #2748c9; --accent-strong: #1c379f; --on-accent: #ffffff;
  --good: #14743f; --good-well: #e3f4ea;
  --bad: #b3261e; --bad-well: #fdeceb;
  --warn: #6b4700; --warn-well: #fdf3da; --warn-line: #e4bd5c;
  --shadow: 0 1px 2px rgb(20 28 50 / 8%), 0 12px 32px rgb(20 28 50 / 9%);
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0f1218; --card: #191d26; --ink: #eceff5; --soft: #a5aebd;
    --line: #2e3544; --field: #727c8f; --well: #212734;
    --accent: #9db2ff; --accent-strong: #bccaff; --on-accent: #0d1538;
    --good: #7ddba3; --good-well: #163324;
    --bad: #ffaaa3; --bad-well: #3a1b1a;
    --warn: #f6d58a; --warn-well: #33290f; --warn-line: #7b6120;
    --shadow: none;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; min-height: 100vh; min-height: 100dvh;
  display: flex; flex-direction: column;
  background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans",
    "DejaVu Sans", sans-serif;
}
.brand {
  display: flex; align-items: center; justify-content: center; gap: .6rem;
  padding: 1.25rem 1rem 1.125rem; font-weight: 600; color: var(--ink);
  text-decoration: none; border-radius: 10px;
}
.brand svg { width: 1.75rem; height: 1.75rem; }
.brand .tile { fill: var(--accent); }
.brand .sign { stroke: var(--on-accent); }
main {
  width: 100%; max-width: 28rem; margin: 0 auto; padding: 2rem;
  background: var(--card); border-radius: 16px; box-shadow: var(--shadow);
  border: 1px solid var(--line);
}
footer {
  margin: auto auto 0; padding: 1.25rem 1rem 1rem; text-align: center;
  font-size: .8125rem; color: var(--soft); text-wrap: balance;
}
h1 {
  margin: 0 0 .375rem; font-size: 1.5rem; line-height: 1.25;
  letter-spacing: -.01em; overflow-wrap: anywhere; text-wrap: balance;
}
p { margin: 0 0 1rem; overflow-wrap: anywhere; text-wrap: pretty; }
.lead, .hint { color: var(--soft); }
.lead b { color: var(--ink); }
.hint { font-size: .875rem; margin: .5rem 0 0; }
label { display: block; font-weight: 600; margin: 1.25rem 0 .375rem; }
input {
  width: 100%; padding: .6875rem .875rem; font: inherit; color: inherit;
  background: var(--card); border: 1px solid var(--field);
  border-radius: 10px;
}
input.code {
  font: 600 1.5rem/1.3 ui-monospace, "SFMono-Regular", Menlo, Consolas,
    "DejaVu Sans Mono", monospace;
  letter-spacing: .12em; text-align: center; text-transform: uppercase;
}
button {
  font: inherit; font-weight: 600; padding: .75rem 1.25rem; cursor: pointer;
  border-radius: 10px; border: 1px solid transparent; width: 100%;
}
.primary { background: var(--accent); color: var(--on-accent); }
.primary:hover { background: var(--accent-strong); }
.secondary {
  background: transparent; color: var(--bad); border-color: currentColor;
}
.secondary:hover { background: var(--bad-well); }
.link {
  display: inline; width: auto; padding: 0; border: 0; background: none;
  color: var(--accent); text-decoration: underline; font-weight: 400;
  border-radius: 3px;
}
a { color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
form > .primary { margin-top: 1.5rem; }
.buttons { display: grid; grid-template-columns: 1fr 1fr; gap: .75rem; }
.problem {
  margin: 1rem 0 0; padding: .75rem .875rem; border-radius: 10px;
  background: var(--bad-well); color: var(--bad); font-weight: 500;
}
.facts {
  margin: 1.25rem 0 0; border: 1px solid var(--line); border-radius: 12px;
  overflow: hidden;
}
.facts div {
  display: grid; grid-template-columns: 6.25rem 1fr; gap: .75rem;
  padding: .375rem .875rem;
}
.facts div + div { border-top: 1px solid var(--line); }
dt { color: var(--soft); }
dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; }
dd.raw, .mono {
  font-family: ui-monospace, "SFMono-Regular", Menlo, Consolas,
    "DejaVu Sans Mono", monospace;
}
dd.plain { font-weight: 400; }
.compare {
  margin: 1rem 0; padding: .75rem 1rem .875rem; border-radius: 12px;
  background: var(--well); text-align: center;
}
.compare p { margin: 0 0 .125rem; color: var(--soft); }
.compare output {
  display: block; font: 700 1.75rem/1.3 ui-monospace, "SFMono-Regular", Menlo,
    Consolas, "DejaVu Sans Mono", monospace;
  letter-spacing: .12em; margin-right: -.12em; overflow-wrap: anywhere;
}
.warning {
  padding: .625rem .875rem; border-radius: 10px; color: var(--warn);
  background: var(--warn-well); border: 1px solid var(--warn-line);
  font-size: .9375rem;
}
.who {
  margin: 1.25rem 0 0; padding-top: 1rem; border-top: 1px solid var(--line);
  color: var(--soft); font-size: .9375rem;
}
.who b { color: var(--ink); }
.who form { display: inline; }
.badge {
  width: 3.5rem; height: 3.5rem; border-radius: 50%; margin: 0 auto 1rem;
  display: grid; place-items: center;
}
.badge svg {
  width: 1.75rem; height: 1.75rem; fill: none; stroke: currentColor;
  stroke-width: 2.5; stroke-linecap: round; stroke-linejoin: round;
}
.badge.good { background: var(--good-well); color: var(--good); }
.badge.bad { background: var(--bad-well); color: var(--bad); }
.badge.note { background: var(--warn-well); color: var(--warn); }
.result { text-align: center; }
.result p { text-wrap: balance; margin-bottom: .5rem; }
.result p:last-child { margin-bottom: 0; }
.result .next { margin-top: 1.25rem; }
@media (min-width: 32.01rem) {
  /* Some air above, where the page is short enough. */
  body::before { content: ""; flex: 1 0 0; max-height: 10vh; }
}
@media (max-width: 32rem) {
  /* The page itself is the card. */
  body { background: var(--card); }
  .brand { padding: 1rem; border-bottom: 1px solid var(--line);
    border-radius: 0; }
  main { padding: 1.25rem 1.25rem 1.5rem; border: 0; border-radius: 0;
    box-shadow: none; }
  h1 { font-size: 1.375rem; }
  .facts div { grid-template-columns: 5rem 1fr; padding: .375rem .75rem; }
}
@media (forced-colors: active) {
  .primary { border-color: ButtonText; }
}
"""
STYLE_HASH = "sha256-" + base64.b64encode(
    hashlib.sha256(STYLE.encode()).digest()).decode()

LOGO = """<svg viewBox="0 0 28 28" aria-hidden="true">
<rect class="tile" width="28" height="28" rx="8"/>
<path class="sign" d="M7.5 9.5 12 14l-4.5 4.5M14.5 18.5h6" fill="none"
 stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round"/></svg>"""
BADGES = {
    "good": '<path d="M5 12.5 10 17.5 19.5 7"/>',
    "bad": '<path d="M6.5 6.5l11 11M17.5 6.5l-11 11"/>',
    "note": '<path d="M12 6v7.5M12 17.6v.2"/>',
}


def esc(text):
    return html.escape(str(text), quote=True)


def breakable(text):
    """Escaped, and allowed to wrap where names and addresses have joints."""
    return re.sub(r"(?<=[.:/@])", "<wbr>", esc(text))


def document(kind, title, content):
    """A whole page. `kind` names it for programs that read pages."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{esc(title)} · Test sign-in</title>
<link rel="icon" href="data:,">
<style>{STYLE}</style>
</head>
<body>
<a class="brand" href="/">{LOGO}<span>Test sign-in</span></a>
<main data-page="{kind}">
{content}
</main>
<footer>devauth-idp, an identity provider for tests. Not for production.
</footer>
</body>
</html>
"""


def hidden(**fields):
    return "".join(f'<input type="hidden" name="{esc(name)}" '
                   f'value="{esc(value)}">' for name, value in fields.items())


def problem(text):
    return (f'<p class="problem" role="alert" id="problem">{esc(text)}</p>'
            if text else "")


def described(text, other=""):
    """ARIA for a field with a hint, with a problem, or with both."""
    ids = " ".join(name for name in ("problem" if text else "", other) if name)
    invalid = ' aria-invalid="true"' if text else ""
    return (f' aria-describedby="{ids}"' if ids else "") + invalid


def enter_code(session, typed="", wrong=False):
    text = ("No sign-in is waiting for this code. Compare it with your "
            "terminal; if it has expired there, connect again for a new one."
            if wrong else "")
    hint = ("Continue only if your terminal shows the same code."
            if typed and not wrong else
            "As your terminal shows it. Capitals and dashes do not matter.")
    # A code out of the address needs no typing, and a phone no keyboard.
    focus_code, focus_button = (
        ("", " autofocus") if typed and not wrong else (" autofocus", ""))
    return document("enter-code", "Enter code", f"""\
<h1>Enter the code</h1>
<p class="lead">Your terminal shows a code. It connects this page with the
sign-in that is waiting there.</p>
{problem(text)}
<form method="post" action="/device">
{hidden(csrf=session.csrf)}
<label for="user_code">Code</label>
<input class="code" id="user_code" name="user_code" value="{esc(typed)}"
{focus_code} required maxlength="64" autocomplete="off"
 autocapitalize="characters" autocorrect="off" spellcheck="false"
 {described(text, "hint")}>
<p class="hint" id="hint">{hint}</p>
<button class="primary"{focus_button}>Continue</button>
</form>""")


def sign_in(session, user_code, username="", text="", again=False):
    lead = ("For this request you need to sign in once more." if again else
            "To see who is asking, and to decide.")
    focus_name, focus_password = (
        ("", " autofocus") if username else (" autofocus", ""))
    return document("sign-in", "Sign in", f"""\
<h1>Sign in</h1>
<p class="lead">{lead} Your code is
<span class="mono">{esc(user_code)}</span>.</p>
{problem(text)}
<form method="post" action="/device/sign-in">
{hidden(csrf=session.csrf, user_code=user_code)}
<label for="username">User name</label>
<input id="username" name="username" value="{esc(username)}"{focus_name}
 required maxlength="256" autocomplete="username"
 autocapitalize="none" autocorrect="off" spellcheck="false"{described(text)}>
<label for="password">Password</label>
<input id="password" name="password" type="password"{focus_password} required
 maxlength="1024" autocomplete="current-password"{described(text)}>
<button class="primary">Sign in</button>
</form>""")


def second_factor(session, user_code, text=""):
    return document("second-factor", "One-time code", f"""\
<h1>One more step</h1>
<p class="lead">The host asks for a second factor.</p>
{problem(text)}
<form method="post" action="/device/second-factor">
{hidden(csrf=session.csrf, user_code=user_code)}
<label for="otp">One-time code</label>
<input class="code" id="otp" name="otp" autofocus required maxlength="16"
 inputmode="numeric" autocomplete="one-time-code"{described(text, "hint")}>
<p class="hint" id="hint">The six digits that your authenticator shows.</p>
<button class="primary">Continue</button>
</form>""")


def question(grant):
    """The headline: what is being asked."""
    host = requester.part(grant.device_name, "host")
    if host is None:
        return "Approve this sign-in?"
    service = requester.part(grant.device_name, "service")
    if service in ("sudo", "su"):
        return f"Allow {service} on {host}?"
    return f"Sign in to {host}?"


def facts(grant):
    """Who asks, row by row; the attributes are for programs."""
    rows = ""
    for field, label, text, technical in requester.rows(grant.device_name):
        value = "" if technical is None else f' data-value="{esc(technical)}"'
        kind = ' class="raw"' if field == "raw" else ""
        rows += (f'<div><dt>{esc(label)}</dt><dd{kind} data-field="{field}"'
                 f"{value}>{breakable(text)}</dd></div>\n")
    return (f'<dl class="facts">\n{rows}<div><dt>Asked</dt>'
            f'<dd class="plain">{ago(grant.issued_at)}</dd></div>\n</dl>')


def ago(moment):
    seconds = max(0, int(time.time() - moment))
    if seconds < 10:
        return "just now"
    if seconds < 90:
        return f"{seconds} seconds ago"
    return f"{round(seconds / 60)} minutes ago"


def confirm(session, account, grant):
    asked = requester.part(grant.device_name, "account")
    differs = "" if asked in (None, account.username) else f"""\
<p class="lead">The account on the host is called <b>{esc(asked)}</b>; here you
are <b>{esc(account.username)}</b>.</p>"""
    return document("confirm", "Approve or deny", f"""\
<h1>{breakable(question(grant))}</h1>
<p class="lead">Check that this is what you started.</p>
{facts(grant)}
<div class="compare">
<p id="compare">Is this the code on your terminal?</p>
<output aria-labelledby="compare" data-field="code">\
{esc(grant.user_code)}</output>
</div>
{differs}
<p class="warning"><strong>If you did not start this yourself, deny it.</strong>
Somebody else may be trying to get in as you.</p>
<form method="post" action="/device/confirm">
{hidden(csrf=session.csrf, user_code=grant.user_code)}
<div class="buttons">
<button class="primary" name="decision" value="approve">Approve</button>
<button class="secondary" name="decision" value="deny">Deny</button>
</div>
</form>
<div class="who">Signed in as
<b data-field="signed_in_as" data-value="{esc(account.username)}">\
{esc(account.name or account.username)}</b>
({esc(account.email or account.username)}).
<form method="post" action="/sign-out">
{hidden(csrf=session.csrf, user_code=grant.user_code)}
<button class="link">Not you?</button></form></div>""")


def result(kind, badge, title, *paragraphs, headline=None, link=""):
    """How it ended; `link` is what to do on these pages now."""
    text = "\n".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    if link:
        text += f'\n<p class="next"><a href="/device">{link}</a></p>'
    return document(kind, title, f"""\
<div class="result" role="status">
<div class="badge {badge}"><svg viewBox="0 0 24 24" aria-hidden="true">\
{BADGES[badge]}</svg></div>
<h1>{esc(headline or title)}</h1>
{text}
</div>""")


CLOSE = "You can close this page and go back to your terminal."
AGAIN = "Go back to your terminal and connect again: it will show a new code."
ANOTHER = "Enter another code"


def outcome(grant, login, rights):
    """What a decision means on the host, where the host says who it is."""
    host = requester.part(grant.device_name, "host")
    if host is None:
        return []
    service = requester.part(grant.device_name, "service")
    text = rights if service in ("sudo", "su") else login
    return [f"{text.format(service)} <b>{breakable(host)}</b>."]


def approved(grant):
    return result("approved", "good", "Approved", *outcome(
        grant, "You are being signed in to", "{} may go ahead on"), CLOSE)


def denied(grant):
    return result(
        "denied", "bad", "Denied", *outcome(
            grant, "Nobody is signed in to", "{} is not allowed on"), CLOSE,
        "If you did not start this sign-in, tell your administrator: "
        "somebody else did.")


def ended(status):
    """A code whose time is over, one way or another."""
    if status == "expired":
        return result("expired", "note", "Code expired",
                      "It is too old to be used.", AGAIN,
                      headline="This code has expired", link=ANOTHER)
    if status == "denied":
        return result("already-denied", "note", "Already denied",
                      "This sign-in was denied before.", AGAIN, link=ANOTHER)
    return result("already-used", "note", "Already used",
                  "A code works only once, and this one has been used.", AGAIN,
                  link=ANOTHER)


def too_many_codes():
    return result("too-many", "note", "Too many wrong codes",
                  "Wait a minute, then try again.", link="Enter a code")


def stale():
    return result("stale", "note", "This page was open for too long",
                  "Nothing was approved or denied.",
                  link="Enter the code again")


def not_found():
    return result("not-found", "note", "There is no such page",
                  link="Enter a code")


def home(session, account):
    if account is None:
        who = '<div class="who">You are not signed in.</div>'
    else:
        who = f"""\
<div class="who">Signed in as <b data-field="signed_in_as"
 data-value="{esc(account.username)}">\
{esc(account.name or account.username)}</b>.
<form method="post" action="/sign-out">{hidden(csrf=session.csrf)}
<button class="link">Sign out</button></form></div>"""
    return document("home", "Start", f"""\
<h1>Signing in to a host?</h1>
<p class="lead">Your terminal shows a code. Enter it here, sign in, and approve
or deny what the host asks for.</p>
<form method="get" action="/device">
<button class="primary">Enter a code</button>
</form>
{who}""")
