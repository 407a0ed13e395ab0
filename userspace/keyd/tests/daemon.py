# SPDX-License-Identifier: GPL-2.0-or-later
"""The real envelope-keyd in directories of its own, and its clients: for the tests beside this."""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

USER, UID, GID = "nobody", 65534, 65534
SERVICE = "org.varlink.service."
INTERFACE = "io.envelope.Keyd."
tests = []


def test(function):
    tests.append(function)
    return function


def wait_until(what, limit=30):
    """Poll: the only way anything here waits"""
    end = time.monotonic() + limit
    while not what():
        if time.monotonic() > end:
            raise TimeoutError(f"{limit} s have passed")
        time.sleep(0.02)


class Closed(Exception):
    """The daemon closed the connection"""


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.buffer = b""

    @classmethod
    def of(cls, descriptor):
        """By a connection that somebody else made"""
        client = cls.__new__(cls)
        client.socket = socket.socket(fileno=descriptor)
        client.socket.settimeout(60)
        client.buffer = b""
        return client

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, method, more=False, passed=None, **parameters):
        name = method if "." in method else INTERFACE + method
        message = {"method": name, "parameters": parameters, "more": more}
        data = json.dumps(message).encode() + b"\0"
        if passed is None:
            self.socket.sendall(data)
        else:
            socket.send_fds(self.socket, [data], [passed])

    def receive(self):
        while b"\0" not in self.buffer:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                raise Closed
            self.buffer += data
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, more=False, passed=None, **parameters):
        """(error without its prefix or None, parameters, steps)"""
        self.send(method, more, passed, **parameters)
        steps = []
        while True:
            reply = self.receive()
            if not reply.get("continues"):
                break
            steps.append(reply["parameters"]["step"])
        error = reply.get("error")
        return (error and error.rsplit(".", 1)[1], reply.get("parameters", {}), steps)


class Daemon:
    def __init__(self, keyd, provider):
        self.keyd = keyd
        self.root = tempfile.mkdtemp(prefix="keyd-test-")
        os.chmod(self.root, 0o755)
        self.socket = self.root + "/socket"
        self.keystore = self.root + "/state/keystore"
        self.provider = self.root + "/envelope-provider"
        self.log = self.root + "/log"
        self.process = None
        shutil.copy(provider, self.provider)
        os.mkdir(self.root + "/keks")
        with open(self.root + "/keks/default.conf", "w", encoding="ascii") as file:
            file.write(f"[kek]\nprovider = service\n\n[service]\nkeystore = {self.keystore}\n")

    def start(self, log=None, **environment):
        with open(self.log if log is None else os.dup(log), "ab") as log:
            self.process = subprocess.Popen(
                [self.keyd, "--socket", self.socket, "--state-dir", self.root + "/state",
                 "--runtime-dir", self.root + "/run", "--keks-dir", self.root + "/keks",
                 "--provider", self.provider, "--user", USER], stderr=log,
                env=dict(os.environ, **environment))
        wait_until(lambda: self.listens() or self.process.poll() is not None)
        if self.process.poll() is not None:
            raise RuntimeError("envelope-keyd does not start")

    def listens(self):
        """Its socket is there a moment before anybody can connect"""
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError), Client(self.socket):
            return True
        return False

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def call(self, method, more=False, **parameters):
        with Client(self.socket) as client:
            return client.call(method, more, **parameters)

    def good(self, method, **parameters):
        error, result, _ = self.call(method, **parameters)
        assert error is None, f"{method}: {error}: {result}"
        return result

    def refused(self, want, method, **parameters):
        error, result, _ = self.call(method, **parameters)
        assert error == want, f"{method}: {error}, not {want}: {result}"
        assert result["message"] and result["cure"], result
        return result

    def image(self, name, mib=40):
        path = f"{self.root}/{name}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        with open(path, "wb") as file:
            file.truncate(mib << 20)
        return path

    def workers(self, kek="default"):
        return self.processes(f"kek:{kek}")

    def processes(self, wanted):
        """Those of the program of workers that have this name"""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
                    program = file.read().split("\0")[0]
                with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                    name = file.read().rstrip("\n")
                if program == self.provider and name == wanted[:15]:
                    found.append(int(pid))
        return found


@contextlib.contextmanager
def three_keks(d):
    """a, b and c; well, disabled or without an answer, and all well again in the end"""
    for kek in "abc":
        if d.call("KekShow", name=kek)[0]:
            d.good("KekCreate", name=kek)
    try:
        yield
    finally:
        for kek in "abc":
            d.good("KekEnable", name=kek)


@contextlib.contextmanager
def silent(d, kek):
    """The KEK's worker answers nothing"""
    workers = d.workers(kek)
    assert workers
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def opens(d, disk):
    """Nothing changes, but it must be opened for that"""
    return d.call("Rewrap", device=disk)[0] is None


def as_user(uid, gid, function, groups=(), before=None):
    """Runs a function in a child of this identity, another as root before; True when it did not raise"""
    pid = os.fork()
    if pid == 0:
        if before:
            before()
        os.setgroups(groups)
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        try:
            function()
        except BaseException as error:  # the parent is told by the status
            print(f"# {type(error).__name__}: {error}", file=sys.stderr)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def version_of(slot):
    return slot["shares"][0]["version"]


def sanitized(path):
    """Is this program built with the address sanitizer?"""
    with open(path, "rb") as program:
        return b"__asan_init" in program.read()


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident(pid):
    """KiB"""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s*(\d+)", file.read()).group(1))


def run(keyd, provider):
    """All tests, each with the same daemon. Prints TAP"""
    if os.geteuid() != 0:
        print("1..0 # SKIP envelope-keyd runs as root only")
        return 0
    daemon = Daemon(keyd, provider)
    failed = 0
    print(f"1..{len(tests)}", flush=True)
    daemon.start()
    try:
        for number, function in enumerate(tests, 1):
            try:
                function(daemon)
                print(f"ok {number} - {function.__doc__}", flush=True)
            except Exception as error:  # of whatever kind, the others are still run
                failed += 1
                line = error.__traceback__.tb_next
                print(f"not ok {number} - {function.__doc__}")
                print(f"# line {line.tb_lineno if line else '?'}: {type(error).__name__}: {error}", flush=True)
    finally:
        daemon.process.kill()
        daemon.process.wait()
        if failed:
            with open(daemon.log, encoding="utf-8", errors="replace") as log:
                print("".join(f"# {line}" for line in log), end="")
        shutil.rmtree(daemon.root)
    return 1 if failed else 0
