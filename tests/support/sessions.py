"""The sessions of a test host: their files as root sees them, the sweep, and
what the provider says of their tokens."""

import re
import subprocess

from host import wait_until

BROKER = "/usr/libexec/devauth/devauth-broker"
STATE, RUN = "/var/lib/devauth", "/run/devauth"
TOKENS, KEYS = f"{STATE}/tokens", f"{STATE}/keys"
REVOKE = f"{TOKENS}/revoke"
GRANTS, STANDINGS = f"{RUN}/grants", f"{RUN}/sessions"
OFFLINE = "openid profile email groups offline_access"
BOOT_ID = "/proc/sys/kernel/random/boot_id"


def files(host, folder):
    """The names in a folder, temporary ones too."""
    return host.run("find", folder, "-mindepth", "1", "-maxdepth", "1",
                    "-not", "-type", "d", "-printf", "%f\n").stdout.split()


def facts(host, path):
    """The clear text of a session's file."""
    raw = subprocess.run(host.command("cat", path), check=True,
                         stdout=subprocess.PIPE).stdout
    head = raw.partition(b"\n\n")[0].decode("ascii")
    return dict(line.split("=", 1) for line in head.splitlines())


def running(host):
    """The running sessions: id -> facts, the oldest first."""
    found = [facts(host, f"{TOKENS}/{name}") for name in files(host, TOKENS)
             if re.fullmatch("[0-9a-f]{48}", name)]
    found.sort(key=lambda one: int(one["verified_mono_ms"]))
    return {one["id"]: one for one in found}


def one_session(host):
    """The only running session."""
    (found,) = running(host).values()
    return found


def ended(host):
    """The ids of ended sessions whose tokens were not revoked so far."""
    return sorted(files(host, REVOKE))


def sweep(host, later_s=0, check=True):
    """One run of the sweep, as if so much later since the boot. Processes seem
    to have begun later, too: to that sweep every session is over."""
    clock = ("unshare", "--time", "--fork", "--boottime", str(later_s))
    return host.run(*(clock if later_s else ()), BROKER, "sweep", check=check)


def end_quietly(host, timeout=15):
    """Waits until what runs behind the answers has ended."""
    wait_until(lambda: not host.helpers(), timeout, "our processes are gone")


def revoked(idp):
    """What was to be revoked, in the order of the requests."""
    return [one["form"]["token_type_hint"]
            for one in idp.control.requests("revoke")]


def lines(host, event):
    """The audit lines of an event."""
    return [line for line in host.audit() if line["event"] == event]


def results(host, event):
    """Result and reason of each."""
    return [(line["result"], line["reason"]) for line in lines(host, event)]


def start_anew(host, boot_id="5b6e4e7a-0d9c-4b43-8a43-2f6d1c0b9a10"):
    """As after a power cut: another boot, all processes and tmpfs gone. The
    boot's id is the kernel's, so another file is laid over it."""
    host.stop_sshd()
    host.run("sh", "-c", f"kill -KILL -1; rm -rf {RUN}; mkdir -m 755 {RUN}",
             check=True)
    host.write("/etc/boot_id", boot_id + "\n", 0o444)
    host.run("mount", "--bind", "/etc/boot_id", BOOT_ID, check=True)


def be_machine(host, machine_id=None, product_uuid=None):
    """Another /etc/machine-id and DMI product UUID."""
    if machine_id:
        host.write("/etc/machine-id", machine_id + "\n", 0o444)
    if product_uuid:
        host.run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs",
                 "/sys/devices/virtual", check=True)
        host.write("/sys/devices/virtual/dmi/id/product_uuid",
                   product_uuid + "\n", 0o400)
