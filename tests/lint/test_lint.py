"""The boundaries of the design, checked on the sources and on the built files.

DEVAUTH_BUILD names the build folder.
"""

import os
import re
import subprocess

import pytest

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.environ.get("DEVAUTH_BUILD", os.path.join(ROOT, "build", "tests"))

LAYERS = ["core", "account", "store", "json", "jose", "http", "provider"]

# Folder -> layers whose headers it may include (beside its own).
ALLOWED = {f"shared/{layer}": LAYERS[:number]
           for number, layer in enumerate(LAYERS)}
ALLOWED.update({
    # What other people's processes load: no store, no json, nothing beyond.
    "nss_module": ["core", "account"],
    "pam_module": ["core", "account"],
    "pam_module/broker": ["core", "account", "store"],
    "pam_module/worker": ["core", "json", "jose", "http", "provider"],
    "cli": LAYERS,
})
# The worker's layers need no account and no store.
ALLOWED["shared/json"] = ["core"]
ALLOWED["shared/jose"] = ["core", "json"]
ALLOWED["shared/http"] = ["core"]
ALLOWED["shared/provider"] = ["core", "json", "jose", "http"]
ALLOWED["shared/store"] = ["core", "account"]

# Whole names; the files that may use them, with the reason.
BANNED = {
    "strcpy": [], "strcat": [], "strncpy": [], "strncat": [], "sprintf": [],
    "vsprintf": [], "gets": [], "strtok": [], "atoi": [], "atol": [],
    "strtol": [], "strtoul": [], "strtoll": [], "strtoull": [], "sscanf": [],
    "system": [], "popen": [], "getenv": [], "secure_getenv": [],
    "getpwnam": [], "getgrnam": [], "getpwuid": [], "getgrgid": [],
    "localtime": [], "gmtime": [], "ctime": [], "strerror": [], "rand": [],
    "random": [], "srand": [], "alloca": [], "setlocale": [], "signal":
        # In processes of our own.
        ["pam_module/broker/main.c", "pam_module/worker/process.c"],
}


def sources(folder=None):
    found = []
    for top in ("shared", "pam_module", "nss_module", "cli"):
        for place, _, names in os.walk(os.path.join(ROOT, top)):
            for name in names:
                if name.endswith((".c", ".h")):
                    path = os.path.relpath(os.path.join(place, name), ROOT)
                    if folder is None or os.path.dirname(path) == folder:
                        found.append(path)
    return sorted(found)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def code(path):
    """The text without comments and string literals."""
    text = re.sub(r"/\*.*?\*/", " ", read(path), flags=re.S)
    return re.sub(r'"(\\.|[^"\\\n])*"', '""', text)


def test_include_layers():
    wrong = []
    for path in sources():
        folder = os.path.dirname(path)
        allowed = set(ALLOWED[folder])
        for name in re.findall(r'#include "(\w+)/', read(path)):
            own = folder.rsplit("/", 1)[-1]
            if name != own and name not in allowed:
                wrong.append(f"{path} includes {name}/")
    assert not wrong


def test_headers_compile_alone(tmp_path):
    wrong = []
    for path in sources():
        if not path.endswith(".h"):
            continue
        probe = tmp_path / "probe.c"
        probe.write_text(f'#include "{os.path.join(ROOT, path)}"\n')
        result = subprocess.run(
            ["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Werror",
             "-fsyntax-only", f"-I{ROOT}/shared", f"-I{ROOT}/pam_module",
             f"-I{ROOT}/nss_module", str(probe)],
            capture_output=True, text=True)
        if result.returncode != 0:
            wrong.append(f"{path}: {result.stderr.splitlines()[0]}")
    assert not wrong


def test_banned_functions():
    wrong = []
    for path in sources():
        text = code(path)
        for name, excused in BANNED.items():
            if path not in excused and re.search(rf"\b{name}\s*\(", text):
                wrong.append(f"{path} uses {name}()")
    assert not wrong


def test_no_todo_no_long_lines():
    wrong = []
    for path in sources():
        for number, line in enumerate(read(path).splitlines(), 1):
            if re.search(r"\b(TODO|FIXME|XXX)\b", line):
                wrong.append(f"{path}:{number}: open end")
            if len(line.expandtabs(8)) > 80:
                wrong.append(f"{path}:{number}: over 80 columns")
    assert not wrong


def test_format():
    paths = [path for path in sources()]
    for place, _, names in os.walk(os.path.join(ROOT, "tests")):
        paths += [os.path.relpath(os.path.join(place, name), ROOT)
                  for name in names if name.endswith((".c", ".h"))]
    result = subprocess.run(["clang-format", "--dry-run", "--Werror", *paths],
                            cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[:2000]


def dynamic(path):
    result = subprocess.run(["readelf", "-dW", path], check=True,
                            capture_output=True, text=True)
    return result.stdout


def needed(path):
    return set(re.findall(r"\(NEEDED\).*\[(.*?)\]", dynamic(path)))


def exports(path):
    result = subprocess.run(["nm", "-D", "--defined-only", path], check=True,
                            capture_output=True, text=True)
    return {line.split()[-1].split("@")[0]
            for line in result.stdout.splitlines()}


def undefined(path):
    result = subprocess.run(["nm", "-D", "--undefined-only", path], check=True,
                            capture_output=True, text=True)
    return {line.split()[-1].split("@")[0]
            for line in result.stdout.splitlines()}


MODULES = {
    "pam_module/pam_devauth.so": (
        {"libpam.so.0", "libc.so.6"},
        {"pam_sm_authenticate", "pam_sm_setcred", "pam_sm_acct_mgmt",
         "pam_sm_open_session", "pam_sm_close_session", "pam_sm_chauthtok"}),
    "nss_module/libnss_devauth.so.2": (
        {"libc.so.6"},
        {f"_nss_devauth_{name}" for name in (
            "getpwnam_r", "getpwuid_r", "getgrnam_r", "getgrgid_r",
            "initgroups_dyn", "setpwent", "getpwent_r", "endpwent",
            "setgrent", "getgrent_r", "endgrent")}),
}

PROGRAMS = ["pam_module/devauth-broker", "pam_module/devauth-worker",
            "cli/devauth"]


@pytest.mark.parametrize("name", MODULES)
def test_module_boundary(name):
    libraries, symbols = MODULES[name]
    path = os.path.join(BUILD, name)
    assert needed(path) <= libraries
    assert exports(path) == symbols


@pytest.mark.parametrize("name", MODULES)
def test_module_guest_manners(name):
    """What may not happen in other people's processes (E13, G6)."""
    rude = {"getenv", "secure_getenv", "system", "popen", "fork", "vfork",
            "signal", "alarm", "setitimer", "abort", "exit", "atexit",
            "pthread_create", "setlocale", "tzset", "localtime_r", "syslog",
            "openlog", "dlopen", "__cxa_atexit", "__assert_fail"}
    assert not undefined(os.path.join(BUILD, name)) & rude


def test_broker_reads_no_network():
    """The broker links nothing that could speak to a provider."""
    libraries = needed(os.path.join(BUILD, "pam_module/devauth-broker"))
    assert libraries <= {"libc.so.6", "libcrypto.so.3"}


@pytest.mark.parametrize("name", [*MODULES, *PROGRAMS])
def test_hardening(name):
    path = os.path.join(BUILD, name)
    flags = dynamic(path)
    assert "NOW" in flags
    assert "RPATH" not in flags and "RUNPATH" not in flags
    headers = subprocess.run(["readelf", "-lW", path], check=True,
                             capture_output=True, text=True).stdout
    assert "GNU_RELRO" in headers
    assert re.search(r"GNU_STACK.*RW ", headers)
    if name in PROGRAMS:
        assert "DYN" in subprocess.run(["readelf", "-hW", path], check=True,
                                       capture_output=True, text=True).stdout


def test_project_speaks_of_itself():
    """No address of a machine that it was built on, no trailing blanks."""
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, check=False,
                             capture_output=True, text=True).stdout.split()
    wrong = []
    for path in listing:
        if path == "LICENSE":
            continue
        try:
            text = read(path)
        except UnicodeDecodeError:
            continue
        if re.search(r"[ \t]+$", text, re.M):
            wrong.append(f"{path}: trailing blanks")
    assert not wrong


def test_every_reason_is_explained():
    """What the audit log may say stands in the README, and nothing else: what
    it means, what to do."""
    with open(f"{ROOT}/shared/core/err.def", encoding="utf-8") as file:
        words = re.findall(r'^DA_ERR\(.*"([a-z-]+)"\)$', file.read(), re.M)
    with open(f"{ROOT}/README.md", encoding="utf-8") as file:
        table, = re.findall(
            r"^\| `reason` \|.*\n\|[-|]+\n((?:\|.*\n)+)", file.read(), re.M)
    explained = []
    for row in table.splitlines():
        reasons, meaning, cure = re.fullmatch(
            r"\| (.+) \| (.+) \| (.+) \|", row).groups()
        assert meaning.strip() and cure.strip(), row
        explained += re.findall(r"`([a-z-]+)`", reasons)
    # The first is no refusal, the second leaves no line.
    assert sorted(explained) == sorted(set(words) - {"ok", "not-ours"})


def test_system_user_is_well_formed():
    """systemd-sysusers ignores a line whose GECOS holds a colon."""
    lines = [line for line in read("conf/sysusers.d/devauth.conf").splitlines()
             if line and not line.startswith("#")]
    assert len(lines) == 1
    assert re.fullmatch(r'u +_devauth +- +"[^":]+" +- +-', lines[0])
