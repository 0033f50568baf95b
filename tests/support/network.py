"""A network of a host's own: the loopback of a network namespace, with one door
to a server of the machine.
"""

import ctypes
import fcntl
import socket
import struct
import threading

CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
LIBC = ctypes.CDLL(None, use_errno=True)


def make_socket(pid):
    """A TCP socket in the network namespace of a process."""
    made = []

    def enter_and_make():
        # A namespace is the thread's; sockets keep theirs.
        with open(f"/proc/{pid}/ns/net", encoding="ascii") as file:
            if LIBC.setns(file.fileno(), CLONE_NEWNET) == 0:
                made.append(socket.socket())

    thread = threading.Thread(target=enter_and_make)
    thread.start()
    thread.join()
    return made[0]


def raise_loopback(pid):
    with make_socket(pid) as handle:
        request = struct.pack("16sh14x", b"lo", 0)
        flags, = struct.unpack_from(
            "h", fcntl.ioctl(handle, SIOCGIFFLAGS, request), 16)
        fcntl.ioctl(handle, SIOCSIFFLAGS,
                    struct.pack("16sh14x", b"lo", flags | IFF_UP))


def _pump(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass  # one side has gone
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def open_door(pid, port):
    """Brings what connects to the port there to the same port here. Returns the
    listening socket: the door is shut when that is closed."""
    listener = make_socket(pid)
    listener.bind(("127.0.0.1", port))
    listener.listen()

    def serve():
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", port))
            for pair in ((client, server), (server, client)):
                threading.Thread(target=_pump, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return listener
