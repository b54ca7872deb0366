// Who this process is among those that train together, by the variables that each way to start them sets.
#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/text.h"
#include "resnet/train.h"

namespace resnet {
namespace {

constexpr int kDefaultPort = 29500;  // torchrun's

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

constexpr int kMaxProcesses = 1 << 16;

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
    worker.local_world_size = number(names.local_world_size, *local, 1, worker.world_size);
  }
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
  if (variable("RANK") || variable("WORLD_SIZE")) {
    set_place(worker, {"RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"});
    worker.address = required("MASTER_ADDR");
    worker.port = number("MASTER_PORT", required("MASTER_PORT"), 1, 65535);
    worker.served = variable("TORCHELASTIC_USE_AGENT_STORE") == "True";
    worker.attempt = variable("TORCHELASTIC_RESTART_COUNT").value_or("");
  } else if (variable("OMPI_COMM_WORLD_SIZE")) {
    set_place(worker, {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE"});
    const bool one_machine = worker.local_world_size == worker.world_size;
    set_meeting_point(worker, one_machine ? "127.0.0.1" : "", kDefaultPort);
  } else if (const auto tasks = variable("SLURM_STEP_NUM_TASKS")) {  // of srun; a batch script itself has none
    set_place(worker, {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS_PER_NODE"});
    const std::string job = variable("SLURM_JOB_ID").value_or("0");
    constexpr int kPorts = 10000;
    const int port = 20000 + number("SLURM_JOB_ID", job, 0, 1 << 30) % kPorts;  // jobs on one machine do not meet
    set_meeting_point(worker, first_host(variable("SLURM_STEP_NODELIST").value_or("")), port);
  }
  return worker;
}

}  // namespace resnet
