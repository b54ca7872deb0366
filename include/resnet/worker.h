// Several processes that train one network together: which of them this one is.
#pragma once

#include <string>

namespace resnet {

// This process among those that train one network together; by default it is the only one.
struct Worker {
  int rank = 0;
  int world_size = 1;
  int local_world_size = 1;      // of them on this machine, which share its processors
  std::string address;           // where rank 0 listens
  int port = 0;                  // TCP
  bool served = false;           // something else listens there already, such as torchrun
  std::string attempt;           // tells restarts apart that meet at the same place
  double timeout_seconds = 300;  // longest wait for another process
};

// What the environment says of this process: the variables of torchrun (RANK, WORLD_SIZE, LOCAL_WORLD_SIZE,
// MASTER_ADDR, MASTER_PORT), Open MPI or Slurm; the only process where there are none or they count one. Throws
// kInvalidArgument, naming the variable.
Worker worker_from_environment();

}  // namespace resnet
