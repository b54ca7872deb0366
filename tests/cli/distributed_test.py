"""resnet train in several processes: the same network as in one, started in every way, and what happens when one is gone."""
import array
import glob
import os
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import pictures
from pictures import resnet, tensors

RESNET = os.environ["RESNET"]
TRAINER = os.path.join(os.path.dirname(RESNET), "resnet-train")
NETWORK = ["--arch", "resnet20", "--depths", "1,1", "--widths", "8,16", "--preset", "cifar", "--size", "16", "--threads", "1"]
PLAIN = [*NETWORK, "--crop", "none", "--flip", "0", "--batch", "64", "--epochs", "1", "--lr", "0.05", "--weight-decay", "0"]
STARTERS = ("RANK", "WORLD_SIZE", "LOCAL_", "MASTER_", "OMPI_", "SLURM_", "TORCHELASTIC_")


def environment(**variables):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(STARTERS)}
    return kept | {name: str(value) for name, value in variables.items()}


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def wait_for_connections(port, count, seconds=60):
    """Until that many lead to a port of this machine; fails after so many seconds."""
    end = time.monotonic() + seconds
    established = 0
    while established < count:
        assert time.monotonic() < end, f"{established} connections to port {port}, not {count}"
        time.sleep(0.05)
        established = 0
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            with open(table, encoding="ascii") as file:
                rows = [line.split() for line in file][1:]
            established += sum(row[1].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


def state(out):
    """The float tensors of a run's only checkpoint by name."""
    (path,) = glob.glob(f"{out}/checkpoints/*.safetensors")
    return {name: array.array("f", values) for name, values in tensors(path).items() if not name.endswith("num_batches_tracked")}


def length(values):
    return sum(value * value for value in values) ** 0.5


@unittest.skipUnless(pictures.LIBTORCH, "built without LibTorch")
class DistributedTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.root = cls.temporary.name
        cls.data = f"{cls.root}/shapes"
        made = resnet("make-dataset", "shapes", "--out", cls.data, "--size", "16", "--train", "64", "--val", "30")
        assert made.returncode == 0, made.stderr

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def out(self):
        return tempfile.mkdtemp(dir=self.root)

    def command(self, out, *arguments, data=None):
        return [RESNET, "train", "--data", data or self.data, "--out", out, *arguments]

    def train(self, out, *arguments, **options):
        return subprocess.run(self.command(out, *arguments, **options), capture_output=True, env=environment(), timeout=300)

    def start(self, out, *arguments, prefix=(), **variables):
        return subprocess.Popen([*prefix, *self.command(out, *arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env=environment(**variables))

    def end(self, processes, timeout=120):
        """Their statuses and what they said on standard error, each."""
        said = [process.communicate(timeout=timeout)[1].decode() for process in processes]
        return [process.returncode for process in processes], said

    def assert_same_network(self, out, expected, tolerance=1e-5):
        ours, theirs = state(out), state(expected)
        self.assertEqual(ours.keys(), theirs.keys())
        for name, values in theirs.items():
            difference = length([a - b for a, b in zip(ours[name], values)])
            self.assertLessEqual(difference, tolerance * length(values) + 1e-12, name)

    def test_gradients_are_those_of_one_process_with_the_whole_batch(self):
        """After one step the momenta are the gradients. Batch norm's statistics and the averages are compared as well."""
        weights = ",".join(str(0.5 + i / 4) for i in range(10))
        for arguments in ([], ["--precision", "fp32", "--label-smoothing", "0.1", "--stochastic-depth", "0.5", "--zero-init",
                               "false", "--ema", "0.9", "--class-weights", weights, "--clip", "1"],
                          ["--batch", "16", "--accumulate", "4", "--optimizer", "adamw", "--lr", "1e-4"]):
            whole = self.out()
            done = self.train(whole, *PLAIN, *arguments)
            self.assertEqual(done.returncode, 0, done.stderr)
            for count in ("2", "4"):
                out = self.out()
                done = self.train(out, *PLAIN, *arguments, "--nproc", count)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assert_same_network(out, whole)
                with open(f"{out}/metrics.csv") as ours, open(f"{whole}/metrics.csv") as theirs:
                    for line, expected in zip(ours.read().splitlines()[1:], theirs.read().splitlines()[1:], strict=True):
                        for a, b in list(zip(line.split(","), expected.split(",")))[:10]:  # not the times
                            self.assertAlmostEqual(float(a or 0), float(b or 0), delta=1e-5)

    def test_one_picture_a_process_is_enough_for_batch_norm(self):
        """Its statistics are over the pictures of all; one alone would be one value per channel."""
        deep = [*PLAIN, "--depths", "1,1,1,1,1", "--widths", "8,8,8,8,8"]
        done = self.train(self.out(), *deep, "--batch", "2", "--nproc", "2")
        self.assertEqual(done.returncode, 0, done.stderr)
        done = self.train(self.out(), *deep, "--batch", "1")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"layer5.0.bn1", done.stderr)

    def test_bad_pictures_leave_parts_of_unequal_size(self):
        data = f"{self.root}/damaged"
        made = resnet("make-dataset", "shapes", "--out", data, "--size", "16", "--train", "64", "--val", "30")
        self.assertEqual(made.returncode, 0, made.stderr)
        for path in sorted(glob.glob(f"{data}/train/*/*"))[:3] + sorted(glob.glob(f"{data}/val/*/*"))[:1]:
            pictures.write(path, b"")
        arguments = [*PLAIN, "--bad-images", "skip"]
        whole, out = self.out(), self.out()
        done = self.train(whole, *arguments, data=data)
        self.assertEqual(done.returncode, 0, done.stderr)
        done = self.train(out, *arguments, "--nproc", "2", data=data)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr.decode().count("is empty"), 4, done.stderr)
        self.assert_same_network(out, whole)

        # A process without any good picture in the last batch of a step: the batch is passed over, and the step taken.
        arguments += ["--shuffle", "false", "--batch", "8", "--accumulate", "8"]
        last = sorted(glob.glob(f"{data}/train/*/*"))[-8:]
        for path in last[4:]:
            pictures.write(path, b"")
        out = self.out()
        done = self.train(out, *arguments, "--nproc", "2", data=data)
        self.assertEqual(done.returncode, 0, done.stderr)
        for path in last:
            pictures.write(path, b"")
        whole = self.out()
        done = self.train(whole, *arguments, data=data)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assert_same_network(out, whole)

    def test_is_started_by_variables_of_torchrun_open_mpi_and_slurm(self):
        whole = self.out()
        self.assertEqual(self.train(whole, *PLAIN).returncode, 0)
        ways = {
            "torchrun": lambda rank, port: {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2,
                                            "MASTER_ADDR": "localhost", "MASTER_PORT": port},
            "Open MPI": lambda rank, port: {"OMPI_COMM_WORLD_RANK": rank, "OMPI_COMM_WORLD_SIZE": 2,
                                            "OMPI_COMM_WORLD_LOCAL_RANK": rank, "OMPI_COMM_WORLD_LOCAL_SIZE": 2,
                                            "MASTER_PORT": port},
            "Slurm": lambda rank, port: {"SLURM_PROCID": rank, "SLURM_STEP_NUM_TASKS": 2, "SLURM_LOCALID": rank,
                                         "SLURM_STEP_NODELIST": "localhost,other[3-7]", "SLURM_JOB_ID": port},
        }
        for way, variables in ways.items():
            out, port = self.out(), free_port()
            statuses, said = self.end([self.start(out, *PLAIN, **variables(rank, port)) for rank in (1, 0)])
            self.assertEqual(statuses, [0, 0], (way, said))
            self.assert_same_network(out, whole)

    def test_nonsense_in_the_environment_is_named(self):
        place = {"RANK": 0, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": 1}
        for change, text in (({"RANK": "two"}, "RANK: 'two' is not a number from 0 to 1"),
                             ({"RANK": 2}, "RANK: '2' is not a number from 0 to 1"),
                             ({"WORLD_SIZE": -1}, "WORLD_SIZE: '-1'"),
                             ({"MASTER_PORT": 70000}, "MASTER_PORT: '70000'"),
                             ({"MASTER_ADDR": ""}, "MASTER_ADDR: is not set")):
            (status,), (said,) = self.end([self.start(self.out(), *PLAIN, **(place | change))])
            self.assertEqual(status, 1, said)
            self.assertIn(text, said)
        (status,), (said,) = self.end([self.start(self.out(), *PLAIN, OMPI_COMM_WORLD_SIZE=2, OMPI_COMM_WORLD_RANK=0)])
        self.assertIn("MASTER_ADDR: is not set", said)
        (status,), (said,) = self.end([self.start(self.out(), *PLAIN, "--nproc", "2", **place)])
        self.assertEqual(status, 2, said)
        done = self.train(self.out(), *PLAIN, "--nproc", "3")
        self.assertEqual(done.returncode, 1)
        self.assertIn("batch: 64 pictures cannot be shared evenly among 3 processes", done.stderr.decode())
        done = self.train(self.out(), *PLAIN, "--nproc", "2", "--lr", "nan")
        self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)

    def test_one_process_needs_nobody_to_meet(self):
        whole = self.out()
        self.assertEqual(self.train(whole, *PLAIN).returncode, 0)
        for variables in ({"WORLD_SIZE": 1}, {"WORLD_SIZE": 1, "RANK": 0}, {"OMPI_COMM_WORLD_SIZE": 1},
                          {"SLURM_STEP_NUM_TASKS": 1, "SLURM_PROCID": 0}, {"WORLD_SIZE": ""}):
            out = self.out()
            (status,), (said,) = self.end([self.start(out, *PLAIN, **variables)])
            self.assertEqual((status, said), (0, ""), variables)
            self.assertEqual(state(out), state(whole), variables)
        (status,), (said,) = self.end([self.start(self.out(), *PLAIN, WORLD_SIZE=1, RANK=1, MASTER_ADDR="x", MASTER_PORT=1)])
        self.assertEqual(status, 1)
        self.assertIn("RANK: '1' is not a number from 0 to 0", said)

    def test_processes_that_do_not_fit_together_say_so(self):
        def start(rank, size, port, *arguments):
            return self.start(out, *PLAIN, *arguments, RANK=rank, WORLD_SIZE=size, MASTER_ADDR="127.0.0.1",
                              MASTER_PORT=port)
        out, port = self.out(), free_port()
        statuses, said = self.end([start(0, 2, port), start(1, 3, port)])
        self.assertEqual(statuses, [1, 1])
        self.assertIn("rank 0: rank 1 was started unlike rank 0: 3 processes, not 2 processes", said[0])
        self.assertIn("rank 1: rank 1 was started unlike rank 0: 3 processes, not 2 processes", said[1])

        out, port = self.out(), free_port()
        first, third = start(0, 2, port, "--epochs", "10"), start(2, 3, port)
        wait_for_connections(port, 4)  # two of each: the third is there before the others begin
        statuses, said = self.end([first, start(1, 2, port, "--epochs", "10"), third])
        self.assertEqual(statuses, [0, 0, 1], said)
        self.assertIn("rank 2: rank 0 was started unlike rank 2: 2 processes, not 3 processes", said[2])

        out, port = self.out(), free_port()
        statuses, said = self.end([start(0, 2, port), start(1, 2, port, "--lr", "0.25")])
        self.assertEqual(statuses, [1, 1])
        self.assertIn("rank 1 was started unlike rank 0: lr = 0.25, not lr = 0.05", said[0])
        self.assertIn("rank 1 was started unlike rank 0: lr", said[1])

        port = free_port()
        statuses, said = self.end([start(0, 2, port, "--timeout", "8")])
        self.assertEqual(statuses, [1])
        self.assertIn("rank 1 did not come within 8 s", said[0])
        statuses, said = self.end([start(1, 2, port, "--timeout", "8")])
        self.assertEqual(statuses, [1])
        self.assertIn("nobody is there to meet", said[0])

        with socket.socket() as taken:
            taken.bind(("0.0.0.0", 0))
            taken.listen()
            port = taken.getsockname()[1]
            statuses, said = self.end([start(0, 2, port)])
        self.assertEqual(statuses, [1])
        self.assertIn(f"127.0.0.1:{port}: cannot listen there", said[0])

    def running(self, out, *arguments):
        """A run of three processes that has made a checkpoint, and the process of each rank."""
        parent = self.start(out, *PLAIN, "--batch", "48", "--epochs", "100000", "--checkpoint-steps", "1", "--nproc", "3",
                            *arguments)
        before = glob.glob(f"{out}/checkpoints/*.safetensors")
        deadline = time.time() + 60
        while glob.glob(f"{out}/checkpoints/*.safetensors") == before:
            self.assertIsNone(parent.poll())
            self.assertLess(time.time(), deadline)
            time.sleep(0.05)
        with open(f"/proc/{parent.pid}/task/{parent.pid}/children") as file:
            children = [int(child) for child in file.read().split()]
        ranks = {}
        for child in children:
            with open(f"/proc/{child}/environ", "rb") as file:
                ranks[int(dict(entry.split(b"=", 1) for entry in file.read().split(b"\0") if b"=" in entry)[b"RANK"])] = child
        self.assertEqual(sorted(ranks), [0, 1, 2])
        return parent, ranks

    def assert_gone(self, processes):
        for process in processes:
            with self.assertRaises(ProcessLookupError):
                os.kill(process, 0)

    def test_a_killed_worker_ends_all_and_a_restart_goes_on(self):
        for rank in (0, 2):
            out = self.out()
            parent, ranks = self.running(out)
            os.kill(ranks[rank], signal.SIGKILL)
            begin = time.time()
            (status,), (said,) = self.end([parent], timeout=60)
            self.assertLess(time.time() - begin, 30)
            self.assertEqual(status, 128 + signal.SIGKILL, said)
            self.assertIn(f"rank {rank} (process {ranks[rank]}) was ended by signal 9", said)
            for other in {0, 1, 2} - {rank}:
                self.assertIn(f"rank {other}: lost rank {rank} (", said)
            self.assert_gone(ranks.values())
            parent, ranks = self.running(out, "--resume")
            parent.send_signal(signal.SIGTERM)
            (status,), (said,) = self.end([parent])
            self.assertEqual(status, 128 + signal.SIGTERM, said)
            self.assertIn("goes on from", said)
            self.assertEqual(said.count("--resume goes on"), 1, said)
            self.assert_gone(ranks.values())

    def test_a_worker_that_hangs_is_named_after_the_time_out(self):
        out = self.out()
        parent, ranks = self.running(out, "--timeout", "5")
        os.kill(ranks[1], signal.SIGSTOP)
        (status,), (said,) = self.end([parent], timeout=60)
        self.assertEqual(status, 1, said)
        for rank in (0, 2):
            self.assertIn(f"rank {rank}: lost rank 1 (", said)
        self.assert_gone(ranks.values())

    def test_processes_end_with_the_one_that_started_them(self):
        parent, ranks = self.running(self.out())
        parent.kill()
        parent.communicate()
        deadline = time.time() + 60
        def lives(child):
            try:
                with open(f"/proc/{child}/stat") as file:
                    return file.read().rsplit(")", 1)[1].split()[0] != "Z"  # nobody may be there to bury it
            except FileNotFoundError:
                return False
        while any(map(lives, ranks.values())):
            self.assertLess(time.time(), deadline)
            time.sleep(0.1)

    def test_the_others_hear_why_a_process_ends(self):
        out = self.out()
        self.assertEqual(self.train(out, *PLAIN).returncode, 0)
        done = self.train(out, *PLAIN, "--nproc", "2")
        self.assertEqual(done.returncode, 1)
        self.assertIn("rank 0: ", done.stderr.decode())
        self.assertIn("rank 1: rank 0 ended: ", done.stderr.decode())
        self.assertEqual(done.stderr.decode().count("holds a run already"), 2, done.stderr)

    def test_goes_on_with_another_number_of_processes(self):
        arguments = [*PLAIN, "--batch", "16", "--keep", "1"]
        whole = self.out()
        self.assertEqual(self.train(whole, *arguments, "--epochs", "2").returncode, 0)
        out = self.out()
        self.assertEqual(self.train(out, *arguments, "--epochs", "2", "--nproc", "2").returncode, 0)
        self.assert_same_network(out, whole, tolerance=1e-3)
        parent = self.start(out, "--resume", "--nproc", "4")
        self.assertEqual(self.end([parent])[0], [0])

    def test_two_hosts(self):
        """Two network namespaces joined by a cable, a process in each."""
        names = [f"resnet{os.getpid()}{side}" for side in "ab"]
        def ip(*arguments):
            return subprocess.run(["ip", *arguments], capture_output=True, check=True)
        try:
            ip("netns", "add", names[0])
        except (OSError, subprocess.CalledProcessError) as error:
            self.skipTest(f"no network namespaces here: {error}")
        try:
            ip("netns", "add", names[1])
            ip("link", "add", "cable0", "netns", names[0], "type", "veth", "peer", "name", "cable1", "netns", names[1])
            for i, name in enumerate(names):
                ip("-n", name, "address", "add", f"10.71.0.{i + 1}/24", "dev", f"cable{i}")
                for device in ("lo", f"cable{i}"):
                    ip("-n", name, "link", "set", device, "up")
            whole, out = self.out(), self.out()
            self.assertEqual(self.train(whole, *PLAIN).returncode, 0)
            def start(rank, *arguments):
                return self.start(out if rank == 0 else "/nonexistent", *PLAIN, *arguments,
                                  prefix=["ip", "netns", "exec", names[rank]], RANK=rank, WORLD_SIZE=2,
                                  MASTER_ADDR="10.71.0.1", MASTER_PORT=29501)
            statuses, said = self.end([start(0), start(1)])
            self.assertEqual(statuses, [0, 0], said)
            self.assert_same_network(out, whole)

            out = self.out()
            endless = ["--epochs", "100000", "--timeout", "6"]
            processes = [start(0, *endless), start(1, *endless)]
            while not os.path.exists(f"{out}/metrics.csv"):
                self.assertIsNone(processes[0].poll())
                time.sleep(0.05)
            ip("-n", names[0], "link", "set", "cable0", "down")
            begin = time.time()
            statuses, said = self.end(processes, timeout=60)
            self.assertLess(time.time() - begin, 6 + 20)
            self.assertEqual(statuses, [1, 1])
            self.assertIn("rank 0: lost rank 1 (", said[0])
            self.assertIn("rank 1: lost rank 0, where the others meet (", said[1])
        finally:
            for name in names:
                subprocess.run(["ip", "netns", "delete", name], capture_output=True)


if __name__ == "__main__":
    unittest.main()
