"""resnet reference: man pages that man(1) reads without a warning, and a completion that works in a real bash."""
import os
import pty
import re
import select
import shutil
import subprocess
import tempfile
import time
import unittest

from pictures import resnet


TRAINER_COMMANDS = ("train", "study")


def commands():
    text = resnet("--help").stdout.decode()
    return re.findall(r"^  ([\w-]+) ", text[text.index("Subcommands:"):], re.MULTILINE)


def own_commands():
    """Those that the program carries out itself; the others are another program's, where LibTorch is."""
    return [command for command in commands() if command not in TRAINER_COMMANDS]


def long_options(command):
    return set(re.findall(r"^ +(?:-\w,)?(--[a-z0-9-]+)", resnet(command, "--help").stdout.decode(), re.MULTILINE))


class ReferenceTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        done = resnet("reference", cls.folder.name)
        assert done.returncode == 0, done.stderr
        cls.pages = os.path.join(cls.folder.name, "man1")
        cls.completion = os.path.join(cls.folder.name, "bash-completion", "resnet")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def rendered(self, page):
        done = subprocess.run(["man", "--warnings", "-l", os.path.join(self.pages, page)], capture_output=True, text=True,
                              check=False, env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MAN_KEEP_FORMATTING": ""})
        self.assertEqual((done.returncode, done.stderr), (0, ""), page)
        return done.stdout

    def test_every_command_has_a_page(self):
        self.assertGreaterEqual(len(commands()), 9)
        expected = ["resnet.1"] + [f"resnet-{command}.1" for command in own_commands()]
        self.assertEqual(sorted(os.listdir(self.pages)), sorted(expected))
        self.assertNotIn("reference", commands())

    @unittest.skipUnless(shutil.which("man"), "no man")
    def test_pages_read_well(self):
        main = self.rendered("resnet.1")
        for command in own_commands():
            self.assertIn(f"resnet-{command}(1)", main)
            page = self.rendered(f"resnet-{command}.1")
            for heading in ("NAME", "SYNOPSIS", "OPTIONS", "EXAMPLES", "EXIT STATUS", "SEE ALSO"):
                self.assertIn(f"\n{heading}\n", "\n" + page, command)
            for option in long_options(command):
                self.assertIn(option, page, command)
        for command in TRAINER_COMMANDS:
            self.assertIn(f"resnet-{command}(1)", main)
        self.assertIn("resnet predict model.safetensors - < cat.jpg", self.rendered("resnet-predict.1"))

    @unittest.skipUnless(long_options("train") and shutil.which("man"), "no trainer or no man")
    def test_the_trainer_describes_its_commands(self):
        folder = os.path.join(self.folder.name, "trainer")
        trainer = os.path.join(os.path.dirname(os.environ["RESNET"]), "resnet-train")
        subprocess.run([trainer, "reference", folder], check=True)
        for command in TRAINER_COMMANDS:
            page = self.rendered(os.path.join(folder, "man1", f"resnet-{command}.1"))
            for option in long_options(command):
                self.assertIn(option, page)
            self.assertEqual(self.offered(command), long_options(command))

    def test_bash_finds_no_fault(self):
        self.assertEqual(subprocess.run(["bash", "-n", self.completion], capture_output=True, check=True).stderr, b"")

    def test_completes_in_a_real_bash(self):
        with Bash(self.folder.name, self.completion) as bash:
            open(os.path.join(self.folder.name, "photo of a cat.jpg"), "w").close()
            self.assertEqual(bash.completed("resnet summ"), "resnet summary ")
            self.assertEqual(bash.completed("resnet --vers"), "resnet --version ")
            self.assertEqual(bash.completed("resnet predict --ignore"), "resnet predict --ignore-orientation ")
            self.assertEqual(bash.completed("resnet convert a b --layout tu"), "resnet convert a b --layout tutorial ")
            self.assertEqual(bash.completed("resnet convert a b --layout=tu"), "resnet convert a b --layout=tutorial ")
            self.assertEqual(bash.completed("resnet predict m --arch resnext101"), "resnet predict m --arch resnext101_")
            self.assertEqual(bash.completed("resnet summary resnet15"), "resnet summary resnet152 ")
            self.assertEqual(bash.completed("resnet predict phot"), "resnet predict photo\\ of\\ a\\ cat.jpg ")

    def offered(self, command):
        """The options that the completion knows."""
        script = f"source {self.completion}; COMP_WORDS=(resnet {command} --) COMP_CWORD=2; _resnet; echo ${{COMPREPLY[@]}}"
        path = os.path.dirname(os.path.abspath(os.environ["RESNET"])) + os.pathsep + os.environ["PATH"]
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True,
                              env={**os.environ, "PATH": path})
        return set(done.stdout.split())

    def test_completes_every_option(self):
        for command in own_commands():
            self.assertGreaterEqual(len(long_options(command)), 1, command)
            self.assertEqual(self.offered(command), long_options(command), command)


class Bash:
    """An interactive bash on a terminal of its own, in a folder, with the completion."""

    def __init__(self, folder, completion):
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            os.chdir(folder)
            os.environ.update({"PS1": "", "TERM": "dumb", "HISTFILE": "", "INPUTRC": "/dev/null"})
            os.execvp("bash", ["bash", "--norc", "--noprofile"])
        self.send(f"bind 'set enable-bracketed-paste off'; bind 'set bell-style none'; source {completion}; PS1=; stty cols 500; echo re''ady\n")
        self.read_until(b"ready\r\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.terminal)
        os.waitpid(self.process, 0)

    def send(self, text):
        os.write(self.terminal, text.encode())

    def read_until(self, end, seconds=20):
        seen = b""
        deadline = time.monotonic() + seconds
        while not seen.endswith(end):
            ready, _, _ = select.select([self.terminal], [], [], deadline - time.monotonic())
            if not ready:
                raise AssertionError(f"bash said {seen!r}, not {end!r}")
            seen += os.read(self.terminal, 4096)
        return seen

    def completed(self, line):
        """The line as it stands after a press of TAB: Control-A and Control-E put an echo around it."""
        self.send(f"{line}\t\x01echo '<\x05>'\n")
        seen = self.read_until(b">\r\n").decode()
        return re.findall(r"<(.*)>", seen)[-1]


if __name__ == "__main__":
    unittest.main()
