#include "train/makers.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "train/meeting_point.h"
#include "train/native_learner.h"

namespace resnet {
namespace {

constexpr const char* kWayOut = "build with LibTorch, `make build TORCH=DIR` (docs/training.md)";

bool is_cuda(const std::string& device) {
  if (device == "cuda") return true;
  return device.starts_with("cuda:") && device.size() > 5 &&
         std::all_of(device.begin() + 5, device.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

void check_device(const Recipe& recipe) {
  if (is_cuda(recipe.device)) {
    fail(ErrorCode::kUnsupported, "device", "{}: this build has no CUDA: for that {}", recipe.device, kWayOut);
  }
  if (recipe.device != "cpu" && recipe.device != "auto") {
    fail(ErrorCode::kInvalidArgument, "device", "'{}' is none of cpu, cuda, cuda:N, auto", one_line(recipe.device));
  }
  if (recipe.precision == Recipe::Precision::kFp16) {
    fail(ErrorCode::kUnsupported, "precision", "fp16 needs CUDA, which this build has not: for that {}", kWayOut);
  }
  if (recipe.precision == Recipe::Precision::kBf16) {
    fail(ErrorCode::kUnsupported, "precision", "this build trains in fp32; for bf16 {}", kWayOut);
  }
}

std::string device_words(const Recipe&) { return "cpu"; }

std::unique_ptr<Processes> make_processes(const Worker& worker) {
  if (worker.world_size > 1) {
    fail(ErrorCode::kUnsupported, "processes", "this build trains in one process; for several {}", kWayOut);
  }
  return std::make_unique<Processes>();
}

std::unique_ptr<Learner> make_learner(const Task& task, Processes&) { return std::make_unique<NativeLearner>(task); }

void explain_failure(const std::exception&, const Recipe&) {}

// Where several processes of a machine would meet.
struct MeetingPoint::Server {};
MeetingPoint::MeetingPoint() {
  fail(ErrorCode::kUnsupported, "processes", "this build trains in one process; for several {}", kWayOut);
}
MeetingPoint::~MeetingPoint() = default;
int MeetingPoint::port() const noexcept { return 0; }

}  // namespace resnet
