"""resnet reference: man pages that man(1) reads without a warning, and completions that work in a real bash, zsh and
fish. What --help says, and where words lead that are no command."""
import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import tempfile
import time
import unittest

from pictures import resnet


FOREIGN_COMMANDS = {"train": "resnet-train", "study": "resnet-train", "serve": "resnet-serve"}  # other programs'


def commands():
    return re.findall(r"^  ([\w-]+) ", resnet("help").stdout.decode(), re.MULTILINE)


def own_commands():
    """Those that the program carries out itself."""
    return [command for command in commands() if command not in FOREIGN_COMMANDS]


def long_options(command):
    return set(re.findall(r"^ +(?:-\w, )?(--[a-z0-9-]+)", resnet(command, "--help-all").stdout.decode(), re.MULTILINE))


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
        for command in set(FOREIGN_COMMANDS) & set(commands()):
            self.assertIn(f"resnet-{command}(1)", main)
        self.assertIn("resnet predict model.safetensors - < cat.jpg", self.rendered("resnet-predict.1"))

    @unittest.skipUnless(shutil.which("man"), "no man")
    def test_other_programs_describe_their_commands(self):
        for command, program in FOREIGN_COMMANDS.items():
            path = os.path.join(os.path.dirname(os.environ["RESNET"]), program)
            if not os.path.exists(path):
                print("not built:", program)
                continue
            folder = os.path.join(self.folder.name, program)
            subprocess.run([path, "reference", folder], check=True)
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


    @unittest.skipUnless(shutil.which("fish"), "no fish")
    def test_completes_in_fish(self):
        script = os.path.join(self.folder.name, "fish", "resnet.fish")
        with open(os.path.join(self.folder.name, "picture.jpg"), "w"):
            pass

        path = os.path.dirname(os.path.abspath(os.environ["RESNET"])) + os.pathsep + os.environ["PATH"]

        def completed(line):
            done = subprocess.run(["fish", "--no-config", "-c", f"source {script}; complete -C {shlex.quote(line)}"],
                                  capture_output=True, text=True, check=False, cwd=self.folder.name,
                                  env={**os.environ, "HOME": self.folder.name, "TERM": "dumb", "PATH": path})
            self.assertEqual(done.stderr, "")
            return [entry.split("\t")[0] for entry in done.stdout.splitlines()]

        self.assertEqual(completed("resnet summ"), ["summary"])
        self.assertEqual(completed("resnet predict --ignore"), ["--ignore-orientation"])
        self.assertEqual(completed("resnet convert a b --layout tu"), ["tutorial"])
        self.assertEqual(completed("resnet convert a b --layout=tu"), ["--layout=tutorial"])
        self.assertEqual(completed("resnet summary resnet15"), ["resnet152"])
        self.assertEqual(completed("resnet predict m --arch resnext101_32"), ["resnext101_32x8d"])
        self.assertEqual(completed("resnet predict pict"), ["picture.jpg"])
        for command in own_commands():
            offered = set(completed(f"resnet {command} --"))
            self.assertEqual({option for option in offered if option.startswith("--")}, long_options(command), command)

    @unittest.skipUnless(shutil.which("zsh"), "no zsh")
    def test_completes_in_a_real_zsh(self):
        with Zsh(self.folder.name, os.path.join(self.folder.name, "zsh")) as zsh:
            open(os.path.join(self.folder.name, "snapshot.jpg"), "w").close()
            for line, completed in (("resnet summ", "resnet summary "), ("resnet --vers", "resnet --version "),
                                    ("resnet predict --ignore", "resnet predict --ignore-orientation "),
                                    ("resnet convert a b --layout tu", "resnet convert a b --layout tutorial "),
                                    ("resnet convert a b --layout=tu", "resnet convert a b --layout=tutorial "),
                                    ("resnet predict m --arch resnext101_32", "resnet predict m --arch resnext101_32x8d "),
                                    ("resnet summary resnet15", "resnet summary resnet152 "),
                                    ("resnet predict m snap", "resnet predict m snapshot.jpg ")):
                self.assertEqual(zsh.completed(line), completed.rstrip())  # which takes its space back


class HelpTest(unittest.TestCase):
    ROWS, COLUMNS = 24, 80

    def said(self, *words, status=0):
        done = resnet(*words)
        self.assertEqual(done.returncode, status, words)
        self.assertEqual(done.stdout if status else done.stderr, b"")
        return (done.stderr if status else done.stdout).decode()

    def test_fits_a_screen(self):
        for command in commands():
            if not long_options(command):
                continue  # another program's that is not built
            text = self.said(command, "--help")
            self.assertLessEqual(len(text.splitlines()), self.ROWS, command)
            for line in [*text.splitlines(), *self.said(command, "--help-all").splitlines()]:
                self.assertLessEqual(len(line), self.COLUMNS, f"{command}: {line}")
            self.assertIn(f"\nUsage: resnet {command} [OPTIONS]", text)
            self.assertIn(f"\n  resnet {command} ", text)
            self.assertNotRegex(text, r"TEXT|INT|FLOAT|\bin \[")

    def test_the_rest_is_in_help_all(self):
        self.assertNotIn("--max-pixels", self.said("predict", "--help"))
        text = self.said("predict", "--help-all")
        for words in ("--max-pixels N", "--size SIZE", "--channel-order NAME", "-h, --help", "How pictures become tensors:"):
            self.assertIn(words, text)

    def test_commands_are_listed_by_task(self):
        text = self.said("help")
        for line in text.splitlines():
            self.assertLessEqual(len(line), self.COLUMNS, line)
        self.assertEqual(self.said("--help"), text)
        self.assertEqual(self.said(), text)
        self.assertRegex(text, r"\nUse a model:\n  predict ")

    def test_help_of_a_command(self):
        self.assertEqual(self.said("help", "predict"), self.said("predict", "--help"))

    def test_one_spelling_of_what_is_written(self):
        for command in own_commands():
            text = self.said(command, "--help-all")
            self.assertNotIn("--output", text)
            if re.search(r"^  -o", text, re.MULTILINE):
                self.assertRegex(text, r"(?m)^  -o, --out F", command)

    def test_words_of_others_lead_to_ours(self):
        for word, lead in (("classify", "predict"), ("test", "eval"), ("val", "eval"), ("info", "inspect"), ("info", "summary"),
                           ("models", "summary"), ("sumary", "did you mean summary?"), ("hlep", "did you mean help?")):
            text = self.said(word, status=2)
            self.assertIn(lead, text)
            self.assertEqual(text.count("\n"), 1)

    def test_a_build_without_the_trainer_says_so(self):
        if "train" in commands():
            self.skipTest("this build has the trainer")
        for word in ("train", "study"):
            done = resnet(word, "--data", "photos")
            self.assertEqual(done.returncode, 2)
            self.assertIn(f"no command '{word}' in this build, which left out the trainer", done.stderr.decode())

    def test_no_suggestion_for_what_is_far_from_all(self):
        for words in (["zebra"], ["help", "zebra"], ["predict", "m", "p", "--zebra"], ["draw", "zebrafish"]):
            done = resnet(*words)
            self.assertNotEqual(done.returncode, 0)
            self.assertNotIn(b"did you mean", done.stderr)
        self.assertIn("resnet predict --help-all", self.said("predict", "m", "p", "--zebra", status=2))

    def test_a_missing_argument_is_shown_where_it_stands(self):
        self.assertIn("PICTURES is required; usage: resnet predict [OPTIONS] MODEL PICTURES...", self.said("predict", "m", status=2))
        self.assertIn("'c' is one argument too many; usage: resnet eval", self.said("eval", "a", "b", "c", status=2))


class Shell:
    """An interactive shell on a terminal of its own, in a folder, with the completion."""

    def __init__(self, folder, command, set_up):
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            os.chdir(folder)
            os.environ.update({"PS1": "", "TERM": "dumb", "HISTFILE": "", "INPUTRC": "/dev/null"})
            os.execvp(command[0], command)
        self.send(f"{set_up}; stty cols 500; echo re''ady\n")
        self.read_until(b"ready\r\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.terminal)
        os.waitpid(self.process, 0)

    def send(self, text):
        os.write(self.terminal, text.encode())

    def read_until(self, end, seconds=60):
        seen = b""
        deadline = time.monotonic() + seconds
        while end not in seen:
            ready, _, _ = select.select([self.terminal], [], [], deadline - time.monotonic())
            if not ready:
                raise AssertionError(f"the shell said {seen!r}, not {end!r}")
            seen += os.read(self.terminal, 4096)
        return seen

    def completed(self, line):
        """The line as it stands after a press of TAB: Control-A and Control-E put an echo around it."""
        self.send(f"{line}\t\x01echo '<\x05>'\n")
        seen = self.read_until(b">\r\n").decode()
        return re.findall(r"<(.*)>\r\n", seen)[-1]


class Bash(Shell):
    def __init__(self, folder, completion):
        super().__init__(folder, ["bash", "--norc", "--noprofile"],
                         f"bind 'set enable-bracketed-paste off'; bind 'set bell-style none'; source {completion}; PS1=")


class Zsh(Shell):
    def __init__(self, folder, completions):
        super().__init__(folder, ["zsh", "-f", "-i"],
                         f"unsetopt zle_bracketed_paste prompt_cr prompt_sp beep; PS1=; PS2=; fpath=({completions} $fpath); "
                         "autoload -Uz compinit; compinit -u -D; bindkey -e")


if __name__ == "__main__":
    unittest.main()
