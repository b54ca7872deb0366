// Who this process is among those that train together, by the variables that each way to start them sets.
#include "resnet/worker.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/text.h"
#include "base/thread_pool.h"

namespace resnet {
namespace {

constexpr int kDefaultPort = 29500;  // torchrun's
constexpr int kMaxProcesses = 1 << 16;

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? std::nullopt : std::optional<std::string>(value);
}

std::string required(const char* name) {
  auto value = variable(name);
  if (!value)
    fail(ErrorCode::kInvalidArgument, name, "is not set, but other variables say that this is one process of several");
  return std::move(*value);
}

int number(const char* name, const std::string& text, int least, int most) {
  int value = 0;
  const char* end = text.data() + text.size();
  const auto [after, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || after != end || value < least || value > most) {
    fail(ErrorCode::kInvalidArgument, name, "'{}' is not a number from {} to {}", one_line(text), least, most);
  }
  return value;
}

// The variables of one way to start processes.
struct Names {
  const char* rank;
  const char* world_size;
  const char* local_world_size;
};

void set_place(Worker& worker, const Names& names) {
  worker.world_size = number(names.world_size, required(names.world_size), 1, kMaxProcesses);
  worker.rank = number(names.rank, required(names.rank), 0, worker.world_size - 1);
  if (const auto local = variable(names.local_world_size)) {
    // Slurm's is a list for the hosts, "4(x2),3"; and it may be that of a larger job.
    const std::string first = local->substr(0, local->find_first_of("(,"));
    worker.local_world_size = std::min(number(names.local_world_size, first, 1, kMaxProcesses), worker.world_size);
  }
}

// Open MPI and Slurm may give each process processors of its own, which it then shares with none.
void note_binding(Worker& worker) {
  if (bound_processors() < sysconf(_SC_NPROCESSORS_ONLN)) worker.local_world_size = 1;
}

// "node[03-07,12],spare" is a list of hosts: its first.
std::string first_host(std::string_view list) {
  const std::size_t bracket = list.find_first_of("[,");
  if (bracket == std::string_view::npos || list[bracket] == ',') return std::string(list.substr(0, bracket));
  const std::string_view inside = list.substr(bracket + 1);
  return std::string(list.substr(0, bracket)) + std::string(inside.substr(0, inside.find_first_of("-,]")));
}

void set_meeting_point(Worker& worker, const std::string& address, int port) {
  worker.address = variable("MASTER_ADDR").value_or(address);
  if (worker.address.empty()) required("MASTER_ADDR");
  const auto given = variable("MASTER_PORT");
  worker.port = given ? number("MASTER_PORT", *given, 1, 65535) : port;
}

}  // namespace

Worker worker_from_environment() {
  Worker worker;
  if (variable("RANK").value_or("0") == "0" && variable("WORLD_SIZE") == "1") return worker;  // one meets nobody
  if (variable("RANK") || variable("WORLD_SIZE")) {
    set_place(worker, {"RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"});
    worker.address = required("MASTER_ADDR");
    worker.port = number("MASTER_PORT", required("MASTER_PORT"), 1, 65535);
    worker.served = variable("TORCHELASTIC_USE_AGENT_STORE") == "True";
    worker.attempt = variable("TORCHELASTIC_RESTART_COUNT").value_or("");
  } else if (variable("OMPI_COMM_WORLD_SIZE").value_or("1") != "1") {
    set_place(worker, {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE"});
    const bool one_machine = worker.local_world_size == worker.world_size;
    set_meeting_point(worker, one_machine ? "127.0.0.1" : "", kDefaultPort);
    note_binding(worker);
  } else if (variable("SLURM_STEP_NUM_TASKS").value_or("1") != "1") {  // of srun; a batch script itself has none
    set_place(worker, {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_TASKS_PER_NODE"});
    worker.attempt = variable("SLURM_STEP_ID").value_or("0");
    const int job = number("SLURM_JOB_ID", variable("SLURM_JOB_ID").value_or("0"), 0, 1 << 30);
    const int step = number("SLURM_STEP_ID", worker.attempt, 0, 1 << 30);
    constexpr int kPorts = 10000;
    const int port = 20000 + (job % kPorts + step % kPorts) % kPorts;  // jobs and steps on one machine do not meet
    set_meeting_point(worker, first_host(variable("SLURM_STEP_NODELIST").value_or("")), port);
    note_binding(worker);
  }
  return worker;
}

}  // namespace resnet
