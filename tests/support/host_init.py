#!/usr/bin/python3
"""Process 1 of a private test host (see host.py).

Runs in fresh mount, PID and UTS namespaces. Builds a private /etc, /var, /home,
/srv, /run and /dev over the machine's own, lays the staged installation over /usr,
receives syslog, reaps orphans, and ends with its standard input. Nothing of the
machine is changed: every mount is private to the namespace.
"""

import os
import select
import signal
import socket
import subprocess
import sys


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def overlay(folder, work, lower=""):
    """Makes a folder writable without touching what is underneath."""
    name = folder.strip("/").replace("/", "-")
    for part in ("up", "work"):
        os.makedirs(f"{work}/{name}-{part}")
    stat = os.stat(folder)
    os.chmod(f"{work}/{name}-up", stat.st_mode & 0o7777)
    lowers = ":".join(part for part in (lower, folder) if part)
    mount("-t", "overlay", "overlay", "-o",
          f"lowerdir={lowers},upperdir={work}/{name}-up,"
          f"workdir={work}/{name}-work", folder)


def private_dev(work):
    """A /dev of our own, so that /dev/log is ours too."""
    dev = f"{work}/dev"
    os.makedirs(dev)
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", dev)
    for name in ("null", "zero", "full", "random", "urandom", "tty"):
        with open(f"{dev}/{name}", "w", encoding="ascii"):
            pass
        mount("--bind", f"/dev/{name}", f"{dev}/{name}")
    os.makedirs(f"{dev}/pts")
    os.makedirs(f"{dev}/shm", mode=0o1777)
    mount("-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=620,gid=5",
          "devpts", f"{dev}/pts")
    os.symlink("pts/ptmx", f"{dev}/ptmx")
    os.symlink("/proc/self/fd", f"{dev}/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        os.symlink(f"/proc/self/fd/{number}", f"{dev}/{name}")
    mount("--move", dev, "/dev")


def syslog_socket():
    """A datagram socket where syslog(3) expects one."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    server.bind("/dev/log")
    os.chmod("/dev/log", 0o666)
    server.setblocking(False)
    return server


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)


def configure_names(name):
    """The host's name, our system account, our name service."""
    subprocess.run(["hostname", name], check=True)
    with open("/etc/hosts", "a", encoding="ascii") as file:
        file.write(f"\n127.0.0.1 localhost {name}\n")
    with open("/etc/passwd", encoding="utf-8") as file:
        accounts = file.read()
    if "\n_devauth:" not in accounts:
        with open("/etc/passwd", "a", encoding="ascii") as file:
            file.write("_devauth:x:990:990::/:/usr/sbin/nologin\n")
        with open("/etc/group", "a", encoding="ascii") as file:
            file.write("_devauth:x:990:\n")
    lines = []
    with open("/etc/nsswitch.conf", encoding="utf-8") as file:
        for line in file:
            if line.startswith(("passwd:", "group:")):
                line = line.split(":")[0] + ": files devauth\n"
            lines.append(line)
    write("/etc/nsswitch.conf", "".join(lines))


def build(stage, work, name):
    mount("--make-rprivate", "/")
    mount("-t", "proc", "proc", "/proc")
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", work)
    # The installation below, the test's own additions on top.
    overlay("/usr", work, f"{stage}/usr")
    for folder in ("/etc", "/var", "/home", "/srv"):
        overlay(folder, work)
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    private_dev(work)
    configure_names(name)
    for folder, mode in (("/run/sshd", 0o755), ("/run/devauth", 0o755),
                         ("/run/devauth/grants", 0o700),
                         ("/run/devauth/sessions", 0o700),
                         ("/run/devauth/withdrawn", 0o700),
                         ("/var/lib/devauth", 0o755),
                         ("/var/lib/devauth/people", 0o700),
                         ("/var/lib/devauth/keys", 0o700),
                         ("/var/lib/devauth/tokens", 0o700),
                         ("/var/cache/devauth", 0o700),
                         ("/etc/devauth", 0o755)):
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, mode)


def serve(server, log):
    """Until standard input ends: writes down syslog, reaps children."""
    wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([0, server, wake_read], [], [])
        if wake_read in ready:
            os.read(wake_read, 4096)
            try:
                while os.waitpid(-1, os.WNOHANG) != (0, 0):
                    pass
            except ChildProcessError:
                pass
        if server in ready:
            log.write(server.recv(65536).decode("utf-8", "replace") + "\n")
            log.flush()
        if 0 in ready and not os.read(0, 1):
            return


def main():
    os.umask(0o022)
    stage, work, name, log_path = sys.argv[1:5]
    build(stage, work, name)
    with open(log_path, "a", encoding="utf-8") as log:
        serve(syslog_socket(), log)


if __name__ == "__main__":
    main()
