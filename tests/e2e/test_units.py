"""The units of systemd, as they are installed: nothing in them is unknown to
it, and what they start is there, whatever the prefix."""

import os
import re
import subprocess

import pytest

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
UNITS = ["devauth-config.path", "devauth-config.service",
         "devauth-sweep.service", "devauth-sweep.timer"]


def read(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return file.read()


@pytest.mark.parametrize("options,bin,libexec,etc", [
    ((), "/usr/bin", "/usr/libexec", "/etc"),
    (("-DCMAKE_INSTALL_PREFIX=/usr/local",), "/usr/local/bin",
     "/usr/local/libexec", "/usr/local/etc"),
    (("-DCMAKE_INSTALL_PREFIX=/opt/sso", "-DCMAKE_INSTALL_BINDIR=sbin",
      "-DCMAKE_INSTALL_LIBEXECDIR=lib", "-DCMAKE_INSTALL_SYSCONFDIR=/etc"),
     "/opt/sso/sbin", "/opt/sso/lib", "/etc")])
def test_prefix(tmp_path, options, bin, libexec, etc):
    stage = tmp_path / "stage"
    subprocess.run(["cmake", "-S", ROOT, "-B", tmp_path, "-G", "Ninja",
                    "-DDEVAUTH_TESTS=OFF", *options], check=True,
                   capture_output=True)
    subprocess.run(["cmake", "-P", tmp_path / "conf" / "cmake_install.cmake"],
                   check=True, capture_output=True,
                   env={**os.environ, "DESTDIR": str(stage)})
    folder, = {found for found, _, names in os.walk(stage)
               if set(UNITS) <= set(names)}
    services = [read(folder, name) for name in UNITS if "service" in name]
    assert [re.findall("^ExecStart=(.*)", unit, re.M) for unit in services] == [
        [f"{bin}/devauth config apply"],
        [f"{libexec}/devauth/devauth-broker sweep"]]
    conf = f"{etc}/devauth/devauth.conf"
    assert f"\nPathChanged={conf}\n" in read(folder, UNITS[0])
    assert all(f"\nConditionPathExists={conf}\n" in unit for unit in services)
    assert not any("@" in read(folder, name).replace("@system-service", "")
                   for name in UNITS)


def test_verified(host):
    """Nor can the sweep do much."""
    units = [f"/usr/lib/systemd/system/{name}" for name in UNITS]
    result = host.run("systemd-analyze", "verify", "--man=no", *units)
    assert result.returncode == 0
    assert "devauth" not in result.stdout + result.stderr
    result = host.run("systemd-analyze", "security", "--offline=true",
                      "--no-pager", "--threshold=40",
                      "/usr/lib/systemd/system/devauth-sweep.service")
    assert result.returncode == 0, result.stdout
