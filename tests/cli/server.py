"""What the tests of `resnet serve` share: a server on a free port of the loopback, and clients of the standard library."""
import http.client
import json
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time


class Server:
    """Runs until the with-block ends. `lines` is what it said on standard error, `log` its standard output."""

    def __init__(self, *arguments, ready=True, scheme="http"):
        self.process = subprocess.Popen([os.environ["RESNET"], "serve", *map(str, arguments), "--port", "0"],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines, self.log = [], []
        self.readers = [threading.Thread(target=self._read, args=pair, daemon=True)
                        for pair in ((self.process.stderr, self.lines), (self.process.stdout, self.log))]
        for reader in self.readers:
            reader.start()
        if ready:
            match = self.wait_for(rf"serving .* on {scheme}://.*:(\d+) with")
            self.port = int(match.group(1))

    def _read(self, stream, lines):
        for line in stream:
            lines.append(line.rstrip("\n"))

    def wait_for(self, pattern, seconds=60, after=0):
        """The match of the first line on standard error, behind the first `after`, that has the pattern."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for line in list(self.lines)[after:]:
                match = re.search(pattern, line)
                if match:
                    return match
            if self.process.poll() is not None and not any(reader.is_alive() for reader in self.readers):
                break
            time.sleep(0.01)
        raise AssertionError(f"no line {pattern!r}: {self.lines}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for reader in self.readers:
            reader.join()
        self.process.stderr.close()
        self.process.stdout.close()

    def end(self, how=signal.SIGTERM, seconds=60):
        self.process.send_signal(how)
        return self.process.wait(seconds)

    def ask(self, method, path, body=None, headers=None, port=None):
        """Status, headers and body of a request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=60)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        result = answer.status, dict((k.lower(), v) for k, v in answer.getheaders()), answer.read()
        connection.close()
        return result

    def json(self, method, path, body=None, headers=None, status=200, port=None):
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        got, _, answer = self.ask(method, path, body, headers, port)
        if got != status:
            raise AssertionError(f"{path}: {got}: {answer[:300]}")
        return json.loads(answer)

    def metric(self, name):
        """The sum of a metric's samples; `name` may hold labels."""
        _, _, text = self.ask("GET", "/metrics")
        values = [float(line.rsplit(" ", 1)[1]) for line in text.decode().splitlines()
                  if line.startswith(name) and line[len(name)] in " {,"]
        return sum(values)

    def raw(self, data, wait=10.0):
        """All that the server sends until it closes the connection, or for so long."""
        with socket.create_connection(("127.0.0.1", self.port)) as link:
            link.settimeout(wait)
            link.sendall(data)
            return receive_all(link)


def receive_all(link):
    got = b""
    try:
        while piece := link.recv(65536):
            got += piece
    except (TimeoutError, ConnectionResetError):
        pass
    return got


def packed(*texts):
    """BYTES as the binary extension has them."""
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def infer_body(document, *tensors):
    """A request with binary tensors, and its header."""
    text = json.dumps(document).encode()
    return text + b"".join(tensors), {"Inference-Header-Content-Length": str(len(text))}
