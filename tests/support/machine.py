"""A test host with Debian's own systemd as process 1, booted by systemd-nspawn.

    with Machine(stage, door=port) as host:     # otherwise like host.Host

The machine's own root below, the staged installation and the test's additions
over it, in memory. Of the machine's units only those run that systemd itself
brings along.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess

import network
from host import Host, wait_until

# Whichever of them there are: systemd's own hierarchy, and the unified one.
GROUPS = [folder for folder in ("/sys/fs/cgroup/systemd",
                                "/sys/fs/cgroup/unified", "/sys/fs/cgroup")
          if os.path.exists(f"{folder}/cgroup.procs")]

# Becomes systemd-nspawn. What that leaves behind is in a /run of its own.
LAUNCH = r"""
set -eu
umask 022
stage=$1 work=$2 name=$3; shift 3
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs "$work"
mkdir "$work/up" "$work/work" "$work/root"
mount -t overlay -o "lowerdir=/,upperdir=$work/up,workdir=$work/work" \
    overlay "$work/root"
cd "$work/root"
cp -a "$stage/." .
rm -rf etc/systemd/system etc/systemd/*.conf.d etc/rc?.d etc/fstab \
    var/log/journal
mkdir -p etc/systemd/system etc/devauth
tr -d - </proc/sys/kernel/random/uuid >etc/machine-id
echo "$name" >etc/hostname
echo "127.0.0.1 localhost $name" >>etc/hosts
sed -i 's/^\(passwd\|group\):.*/\1: files devauth/' etc/nsswitch.conf
mount -t tmpfs -o mode=755 tmpfs /run
for group; do
	mkdir "$group"
	echo $$ >"$group/cgroup.procs"
done
exec systemd-nspawn --quiet --register=no --keep-unit --private-network \
    --link-journal=no --resolv-conf=off --timezone=off --machine="$name" \
    --directory="$work/root" --boot
"""

INIT = "/usr/lib/systemd/systemd"


class Unbootable(Exception):
    """Where we are, in a container say, systemd cannot be process 1: nothing of
    ours runs before it is up."""


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


class Machine(Host):
    """See the head of the file."""

    def __init__(self, stage, door, name="web1"):
        super().__init__(stage, name, door)
        self._groups = [f"{folder}/{os.path.basename(self.folder)}"
                        for folder in GROUPS]

    def start(self):
        self._unshare = subprocess.Popen(
            # All of it ends with us: the container would survive its nspawn,
            # but not the process namespace around both.
            ["setpriv", "--pdeathsig=KILL",
             "unshare", "--mount", "--propagation=private", "--pid", "--fork",
             "--kill-child=SIGKILL", "sh", "-c", LAUNCH, "sh", self.stage,
             self.work, self.name, *self._groups],
            stdin=subprocess.DEVNULL, stdout=self._errors,
            stderr=subprocess.STDOUT)
        try:
            try:
                self._boot()
            except (AssertionError, OSError, RuntimeError) as error:
                raise Unbootable(str(error)) from error
            # As the README says.
            self.run("systemd-sysusers", check=True)
            self.run("systemd-tmpfiles", "--create")
        except BaseException:
            self.stop()
            raise
        return self

    def _boot(self):
        self.init_pid = wait_until(self._find_init, what="it boots")
        network.raise_loopback(self.init_pid)
        self._door = network.open_door(self.init_pid, self._door)
        wait_until(lambda: self.run(
            "systemctl", "is-system-running").stdout.strip()
            in ("running", "degraded"), 30, "it has booted")

    def _find_init(self):
        if self._unshare.poll() is not None:
            with open(os.path.join(self.folder, "errors"),
                      encoding="utf-8", errors="replace") as file:
                raise RuntimeError(f"systemd-nspawn failed: {file.read()}")
        with contextlib.suppress(OSError):  # they come and go
            for nspawn in children(self._unshare.pid):
                for child in children(nspawn):
                    if os.readlink(f"/proc/{child}/exe") == INIT:
                        return child
        return None

    def stop(self):
        if self.init_pid is not None:
            os.kill(self.init_pid, signal.SIGKILL)
        else:
            self._unshare.kill()
        self._unshare.wait()
        if isinstance(self._door, socket.socket):
            self._door.shutdown(socket.SHUT_RDWR)
            self._door.close()
        self._errors.close()
        wait_until(self._remove_groups, 30, "its control groups are empty")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _remove_groups(self):
        try:
            for group in self._groups:
                for folder, _, _ in os.walk(group, topdown=False):
                    os.rmdir(folder)
        except OSError:
            return False
        return True

    def command(self, *arguments):
        return ["nsenter", "--target", str(self.init_pid), "--mount", "--pid",
                "--uts", "--ipc", "--net", "--cgroup", "--root", "--wd=/", "--",
                *arguments]

    def spawn_sshd(self, config):
        """Debian's own unit."""
        self.write("/etc/default/ssh", f"SSHD_OPTS='-f {config}'\n")
        return subprocess.Popen(self.command("systemctl", "restart", "ssh"))

    def log(self):
        self.run("journalctl", "--sync", check=True)
        return self.run("journalctl", "-q", "--no-pager", check=True).stdout
