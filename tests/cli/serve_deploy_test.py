"""What stands in deploy/: the container's root runs a server without anything else and is small, systemd finds its unit
safe, and behind haproxy one of two servers is restarted under load without one request that fails. Skips what this
system has no tool for, visibly."""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import pictures
from pictures import resnet

ROOT = os.environ["RESNET_SOURCE_DIR"]
SERVER = os.path.join(os.path.dirname(os.environ["RESNET"]), "resnet-serve")
MODEL = os.path.join(ROOT, "models", "resnet20-cifar10.safetensors")
DEMO = os.path.join(ROOT, "tests", "demo.jpg")


def deploy(*path):
    return os.path.join(ROOT, "deploy", *path)


def free_ports(count):
    links = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [link.getsockname()[1] for link in links]
    for link in links:
        link.close()
    return ports


def ask(port, method, path, body=None, connection=None):
    link = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    link.request(method, path, body)
    answer = link.getresponse()
    result = answer.status, answer.read()
    if connection is None:
        link.close()
        answer.close()
    return result


def wait_until_ready(port, process, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            if ask(port, "GET", "/v2/health/ready")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.02)
    raise AssertionError(f"no server at port {port}")


def predicted(path):
    done = resnet("predict", MODEL, path, "--json", "--threads", 1)
    return json.loads(done.stdout)["top"]


class SystemdTest(unittest.TestCase):
    @unittest.skipUnless(shutil.which("systemd-analyze"), "there is no systemd-analyze")
    def test_the_unit_is_safe(self):
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20",
                               deploy("systemd", "resnet-serve.service")], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-300:] + done.stderr)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "there is no systemd-analyze")
    def test_the_units_have_no_mistakes(self):
        with tempfile.TemporaryDirectory() as folder:
            for unit in ("resnet-serve.service", "resnet-serve.socket"):
                with open(deploy("systemd", unit), encoding="utf-8") as file:
                    text = file.read().replace("ExecStart=resnet-serve", f"ExecStart={SERVER}")
                with open(os.path.join(folder, unit), "w", encoding="utf-8") as file:
                    file.write(re.sub("^Documentation=.*$", "", text, flags=re.MULTILINE))
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no",
                                   *(os.path.join(folder, unit) for unit in sorted(os.listdir(folder)))],
                                  capture_output=True, text=True, check=False)
            self.assertEqual([line for line in done.stderr.splitlines() if "resnet-serve" in line], [])


class SocketTest(unittest.TestCase):
    """A socket that somebody else holds, as systemd does: a restart behind it refuses nobody."""

    def start(self, listening):
        code = ("import os, sys\nos.dup2(int(sys.argv[1]), 3)\nos.set_inheritable(3, True)\n"
                "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1')\nos.execv(sys.argv[2], sys.argv[2:])")
        server = subprocess.Popen([sys.executable, "-c", code, str(listening.fileno()), SERVER, "serve", f"net={MODEL}"],
                                  pass_fds=[listening.fileno()], stderr=subprocess.PIPE, text=True)
        self.addCleanup(server.stderr.close)
        self.addCleanup(server.kill)
        self.assertIn("serving", server.stderr.readline())
        return server

    def test_a_restart_refuses_nobody(self):
        with open(DEMO, "rb") as file:
            demo = file.read()
        ending = threading.Event()
        wrong, done = [], [0] * 4

        def load(number):
            while not ending.is_set():
                try:
                    status, answer = ask(port, "POST", "/classify", demo)
                    if status != 200:
                        wrong.append((status, answer[:200]))
                except (OSError, http.client.HTTPException) as error:
                    wrong.append(repr(error))
                done[number] += 1

        with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
            port = listening.getsockname()[1]
            server = self.start(listening)
            threads = [threading.Thread(target=load, args=(number,)) for number in range(len(done))]
            for thread in threads:
                thread.start()
            try:
                for _ in range(4):
                    time.sleep(0.5)
                    server.terminate()
                    self.assertEqual(server.wait(60), 0)
                    server = self.start(listening)
            finally:
                ending.set()
                for thread in threads:
                    thread.join()
                server.terminate()
                self.assertEqual(server.wait(60), 0)
        print(f"a socket that is kept: {sum(done)} requests over 4 restarts, {len(wrong)} lost")
        self.assertEqual(wrong, [])
        self.assertGreater(sum(done), 20)


@unittest.skipIf(pictures.SANITIZED, "a sanitizer's program is another one")
class ContainerTest(unittest.TestCase):
    def test_its_root_is_all_that_a_server_needs(self):
        with tempfile.TemporaryDirectory() as folder:
            root = os.path.join(folder, "root")
            done = subprocess.run([deploy("container", "make_root.sh"), SERVER, root], capture_output=True, text=True,
                                  check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            files = [os.path.join(at, name) for at, _, names in os.walk(root) for name in names]
            size = sum(map(os.path.getsize, files))
            print(f"the container's root: {len(files)} files, {size / 1e6:.1f} MB")
            self.assertLessEqual(size, 40_000_000)
            self.assertEqual([name for name in files if "/bin/" in name], [f"{root}/usr/bin/resnet-serve"])
            again = subprocess.run([deploy("container", "make_root.sh"), SERVER, root], capture_output=True, check=False)
            self.assertEqual(again.returncode, 1)
            if os.geteuid() != 0:
                self.skipTest("only root can change the root")
            os.makedirs(f"{root}/models/net/1")
            shutil.copy(MODEL, f"{root}/models/net/1/model.safetensors")
            os.chmod(folder, 0o755)
            with open(deploy("container", "Containerfile"), encoding="utf-8") as file:
                words = re.findall(r"^(?:ENTRYPOINT|CMD) (\[.*\])$", file.read(), re.MULTILINE)
            (port,) = free_ports(1)
            command = [word for words in map(json.loads, words) for word in words]
            command = [("127.0.0.1" if word == "0.0.0.0" else word) for word in command] + ["--port", str(port)]

            def enter():
                os.chroot(root)
                os.chdir("/")
                os.setgroups([])
                os.setgid(65532)
                os.setuid(65532)

            process = subprocess.Popen(command, preexec_fn=enter, env={}, stderr=subprocess.DEVNULL)
            try:
                wait_until_ready(port, process)
                with open(DEMO, "rb") as file:
                    status, answer = ask(port, "POST", "/classify", file.read())
                self.assertEqual(status, 200, answer)
                self.assertEqual(json.loads(answer)["top"], predicted(DEMO))
                process.send_signal(signal.SIGTERM)
                self.assertEqual(process.wait(30), 0)
            finally:
                process.kill()
                process.wait()


@unittest.skipIf(pictures.SANITIZED, "takes long beside a sanitizer")
@unittest.skipUnless(shutil.which("haproxy"), "there is no haproxy")
class HaproxyTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.port, *self.ports = free_ports(3)
        self.servers = [None, None]
        with open(deploy("haproxy", "haproxy.cfg"), encoding="utf-8") as file:
            text = file.read()
        for written, here in zip((8000, 8001, 8002), (self.port, *self.ports)):
            self.assertIn(f"127.0.0.1:{written}", text)
            text = text.replace(f"127.0.0.1:{written}", f"127.0.0.1:{here}")
        path = os.path.join(self.folder.name, "haproxy.cfg")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        for which in (0, 1):
            self.start(which)
        self.proxy = subprocess.Popen(["haproxy", "-db", "-f", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(self.end)
        wait_until_ready(self.port, self.proxy)

    def start(self, which):
        self.servers[which] = subprocess.Popen([SERVER, "serve", f"net={MODEL}", "--port", str(self.ports[which]),
                                                "--drain-delay", "3"], stderr=subprocess.DEVNULL)
        wait_until_ready(self.ports[which], self.servers[which])

    def end(self):
        for process in (self.proxy, *self.servers):
            process.kill()
            process.wait()

    def count(self, which):
        _, text = ask(self.ports[which], "GET", "/metrics")
        return int(re.search(r'^nv_inference_request_success\{model="net".*\} (\d+)$', text.decode(), re.MULTILINE).group(1))

    def test_a_restart_under_load_loses_nothing(self):
        with open(DEMO, "rb") as file:
            demo = file.read()
        large = pictures.png(500, 300, 7) + bytes(100_000)  # more than haproxy keeps to send it again
        path = pictures.write(os.path.join(self.folder.name, "large.png"), large)
        wanted = {demo: predicted(DEMO), large: predicted(path)}
        ending = threading.Event()
        wrong, done = [], [0] * 6

        def load(number):
            link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            body = (demo, large)[number % 2]
            while not ending.is_set():
                try:
                    status, answer = ask(self.port, "POST", "/classify", body, link)
                    if status != 200 or json.loads(answer)["top"] != wanted[body]:
                        wrong.append((number, status, answer[:200]))
                except (OSError, http.client.HTTPException) as error:
                    wrong.append((number, repr(error)))
                    link.close()
                done[number] += 1
                if number >= 4:  # some clients pause, so that connections are idle
                    time.sleep(0.05)
            link.close()

        threads = [threading.Thread(target=load, args=(number,)) for number in range(len(done))]
        for thread in threads:
            thread.start()
        try:
            for which in (0, 1, 0):
                time.sleep(1)
                self.servers[which].send_signal(signal.SIGTERM)
                self.assertEqual(self.servers[which].wait(60), 0)
                self.start(which)
                end = time.monotonic() + 60
                while not self.count(which):  # haproxy sees it twice, and sends it requests
                    self.assertLess(time.monotonic(), end, "no request came back to a server that was restarted")
                    time.sleep(0.2)
        finally:
            ending.set()
            for thread in threads:
                thread.join()
        print(f"haproxy: {sum(done)} requests over 3 restarts, {len(wrong)} lost")
        self.assertEqual(wrong, [])
        self.assertGreater(sum(done), 100)

    @unittest.skipUnless(shutil.which("curl"), "there is no curl")
    def test_grpc_goes_through(self):
        out = os.path.join(self.folder.name, "answer")
        call = subprocess.run(["curl", "-sS", "--http2-prior-knowledge", "-H", "Content-Type: application/grpc", "-H",
                               "TE: trailers", "--data-binary", "@-", "-D", "-", "-o", out,
                               f"http://127.0.0.1:{self.port}/grpc.health.v1.Health/Check"], input=bytes(5),
                              capture_output=True, check=False)
        self.assertEqual(call.returncode, 0, call.stderr)
        self.assertRegex(call.stdout.decode(), r"(?i)grpc-status: 0")
        with open(out, "rb") as file:
            self.assertEqual(file.read(), b"\0\0\0\0\x02\x08\x01")  # serving


if __name__ == "__main__":
    unittest.main()
