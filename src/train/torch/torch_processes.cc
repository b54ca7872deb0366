#include "train/torch/torch_processes.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <future>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <torch/csrc/distributed/c10d/reducer.hpp>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "train/meeting_point.h"

namespace resnet {
namespace {

using namespace std::chrono_literals;
using Store = c10::intrusive_ptr<c10d::Store>;

constexpr auto kHeartbeat = 500ms;

// The first line of what LibTorch says, which goes on with its own stack; without the place in Gloo's source and what
// Gloo advises.
std::string short_reason(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  const std::string text = torch_error != nullptr ? torch_error->what_without_backtrace() : error.what();
  std::string_view line = std::string_view(text).substr(0, text.find_first_of('\n'));
  if (line.starts_with("[/")) line.remove_prefix(std::min(line.size(), line.find("] ") + 2));
  return one_line(line.substr(0, line.find(". This is typically")), 300);
}

// `listener`: a socket that listens at the address already, for who serves.
c10::intrusive_ptr<c10d::TCPStore> connect(const Worker& worker, bool serve, std::optional<int> listener = {}) {
  c10d::TCPStoreOptions options;
  options.port = static_cast<std::uint16_t>(worker.port);
  options.isServer = serve;
  options.waitWorkers = false;
  options.masterListenFd = listener;
  options.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(worker.timeout_seconds * 1000));
  try {
    return c10::make_intrusive<c10d::TCPStore>(worker.address, options);
  } catch (const std::exception& error) {
    fail(ErrorCode::kIo, fmt::format("{}:{}", worker.address, worker.port), "{}: {}",
         serve ? "cannot listen there" : "nobody is there to meet", short_reason(error));
  }
}

// The address by which this machine reaches another: that one reaches it by the same network.
std::string address_towards(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) fail(ErrorCode::kIo, host, "{}", gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, freeaddrinfo);
  for (const addrinfo* a = found; a != nullptr; a = a->ai_next) {
    const int socket_number = ::socket(a->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket_number < 0) continue;
    sockaddr_storage own{};
    socklen_t size = sizeof own;
    char text[NI_MAXHOST];
    const bool known =
        ::connect(socket_number, a->ai_addr, a->ai_addrlen) == 0 &&  // sends nothing
        getsockname(socket_number, reinterpret_cast<sockaddr*>(&own), &size) == 0 &&
        getnameinfo(reinterpret_cast<sockaddr*>(&own), size, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0;
    ::close(socket_number);
    if (known) return text;
  }
  fail(ErrorCode::kIo, host, "there is no way to it from this machine");
}

bool is_loopback(const std::string& address) { return address.starts_with("127.") || address == "::1"; }

// Names of values at the meeting point.
std::string key(const std::string& what, int rank) { return fmt::format("{}/{}", what, rank); }

// Waits for it.
std::string text_of(const Store& store, const std::string& key) {
  const std::vector<std::uint8_t> bytes = store->get(key);
  return {bytes.begin(), bytes.end()};
}

std::map<int, std::string> pulses(const Store& store, int count) {
  std::map<int, std::string> result;
  for (int rank = 0; rank < count; ++rank) {
    const std::string name = key("pulse", rank);
    result[rank] = store->check({name}) ? text_of(store, name) : "";
  }
  return result;
}

struct Lost {
  std::string text;
  int silent = 0;  // processes that will say nothing any more
};

// Those whose pulse stands still and who did not say why; else what one said.
Lost find_lost(const Store& store, const Worker& worker) {
  const auto before = pulses(store, worker.world_size);
  std::this_thread::sleep_for(5 * kHeartbeat);
  std::vector<int> silent;
  std::string said = "the processes cannot go on together";
  for (const auto& [rank, pulse] : pulses(store, worker.world_size)) {
    if (rank == worker.rank) continue;
    const std::string name = key("left", rank);
    if (store->check({name})) {
      said = fmt::format("rank {} ended: {}", rank, text_of(store, name));
    } else if (pulse == before.at(rank)) {
      silent.push_back(rank);
    }
  }
  if (silent.empty()) return {said, 0};
  return {fmt::format("lost rank{} {}", silent.size() > 1 ? "s" : "", fmt::join(silent, ", ")),
          static_cast<int>(silent.size())};
}

}  // namespace

struct MeetingPoint::Server {
  c10::intrusive_ptr<c10d::TCPStore> store;
};

MeetingPoint::MeetingPoint() {
  Worker worker;
  worker.address = "127.0.0.1";
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof place;
  auto* address = reinterpret_cast<sockaddr*>(&place);
  if (listener < 0 || ::bind(listener, address, size) != 0 || ::listen(listener, SOMAXCONN) != 0 ||
      ::getsockname(listener, address, &size) != 0) {
    fail(ErrorCode::kIo, worker.address, "cannot listen: {}", std::strerror(errno));
  }
  worker.port = ntohs(place.sin_port);
  server_ = std::make_unique<Server>(Server{connect(worker, true, listener)});  // which closes it
}

MeetingPoint::~MeetingPoint() = default;

int MeetingPoint::port() const noexcept { return server_->store->getPort(); }

class TorchProcesses::Group {
 public:
  explicit Group(const Worker& worker)
      : worker_(worker),
        serves_(worker.rank == 0 && !worker.served),
        store_(with_prefix(connect(worker, serves_))),
        pulse_store_(with_prefix(connect(worker, false))),
        pulse_([this] { beat(); }) {}

  ~Group() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    wake_.notify_all();
    pulse_.join();
  }

  void start() {
    if (store_->add(key("rank", worker_.rank), 1) != 1) {
      fail(ErrorCode::kInvalidArgument, fmt::format("rank {}", worker_.rank), "another process has this rank as well");
    }
    check_alike("world size", fmt::format("{} processes", worker_.world_size));
    auto options = c10d::ProcessGroupGloo::Options::create(store_->getTimeout());
    options->devices.push_back(network());
    const auto gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(
        c10::make_intrusive<c10d::PrefixStore>("gloo", store_), worker_.rank, worker_.world_size, options);
    group_ = c10::make_intrusive<c10d::ProcessGroup>(store_, worker_.rank, worker_.world_size);
    group_->setBackend(c10::DeviceType::CPU, c10d::ProcessGroup::BackendType::GLOO, gloo);
    group_->setDefaultBackend(c10d::ProcessGroup::BackendType::GLOO);
    group_->setGroupName("resnet");
  }

  // Rank 0 compares, and all wait for its verdict; who it knows nothing of compares for itself.
  void check_alike(const std::string& what, const std::string& text) {
    put(key(what, worker_.rank), text);
    if (worker_.rank == 0) {
      std::string verdict;
      for (int rank = 1; rank < worker_.world_size && verdict.empty(); ++rank) {
        verdict = difference(rank, text_of_rank(what, rank), text);
      }
      put(key(what + " verdict", 0), verdict);
    }
    const std::string verdict = text_of_rank(what + " verdict", 0);
    if (!verdict.empty()) fail(ErrorCode::kMismatch, "", "{}", verdict);
    if (worker_.rank == 0) return;
    const std::string own = difference(0, text_of_rank(what, 0), text);
    if (!own.empty()) fail(ErrorCode::kMismatch, "", "{}", own);
  }

  c10d::ProcessGroup& group() { return *group_; }

  void reduce_next_backward(const std::vector<torch::Tensor>& parameters) {
    if (!reducer_) make_reducer(parameters);
    reducer_->rebuild_buckets();  // once, after the first pass: in the order in which gradients come
    reducer_->prepare_for_backward({});
  }

  // `silent`: how many of the others are lost.
  void leave(const std::string& reason, int silent = 0) {
    try {
      put(key("left", worker_.rank), reason);
      close_connections();  // the others notice, read the reason here and leave as well
      const auto deadline = std::chrono::steady_clock::now() + 10 * kHeartbeat;
      while (serves_ && left() < worker_.world_size - silent && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(50ms);
      }
    } catch (const std::exception&) {  // nobody is there to read it
    }
  }

  [[noreturn]] void explain(const std::string& symptom) {
    close_connections();  // who is not connected with the lost one notices as well
    // What the others meet at may be gone, or silent without an end: then it is not waited for.
    std::packaged_task<Lost()> search([store = store_, worker = worker_] { return find_lost(store, worker); });
    std::future<Lost> found = search.get_future();
    std::thread(std::move(search)).detach();
    Lost verdict{worker_.served ? "lost what started the processes" : "lost rank 0, where the others meet"};
    bool reachable = false;
    if (found.wait_for(8 * kHeartbeat) == std::future_status::ready) {
      try {
        verdict = found.get();
        reachable = true;
      } catch (const std::exception&) {  // gone
      }
    }
    const std::string message = fmt::format("{} ({})", verdict.text, symptom);
    if (reachable) leave(message, verdict.silent);
    throw Error(ErrorCode::kIo, "", message);
  }

 private:
  Store with_prefix(Store store) const {
    return c10::make_intrusive<c10d::PrefixStore>("resnet" + worker_.attempt, std::move(store));
  }
  void put(const std::string& key, const std::string& text) { store_->set(key, text); }

  // How many processes said why they end.
  int left() {
    int count = 0;
    for (int rank = 0; rank < worker_.world_size; ++rank) count += store_->check({key("left", rank)}) ? 1 : 0;
    return count;
  }

  // Waits for it, as long as that process does not say that it ends.
  std::string text_of_rank(const std::string& what, int rank) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(worker_.timeout_seconds);
    while (!store_->check({key(what, rank)})) {
      if (store_->check({key("left", rank)})) {
        fail(ErrorCode::kIo, "", "rank {} ended: {}", rank, text_of(store_, key("left", rank)));
      }
      if (std::chrono::steady_clock::now() > deadline) {
        fail(ErrorCode::kIo, "", "rank {} did not come within {} s", rank, worker_.timeout_seconds);
      }
      std::this_thread::sleep_for(50ms);
    }
    return text_of(store_, key(what, rank));
  }

  // The network by which the others are reached. Where a machine's own name leads to itself, rank 0 finds its way to
  // the meeting point within itself and takes that to another process instead.
  std::shared_ptr<gloo::transport::Device> network() {
    const char* interface = std::getenv("GLOO_SOCKET_IFNAME");  // PyTorch's variable
    if (interface != nullptr && *interface != '\0') return c10d::ProcessGroupGloo::createDeviceForInterface(interface);
    std::string own = address_towards(worker_.address, worker_.port);
    put(key("address", worker_.rank), own);
    for (int rank = 0; rank < worker_.world_size && is_loopback(own); ++rank) {
      const std::string other = text_of_rank("address", rank);
      if (!is_loopback(other)) own = address_towards(other, worker_.port);
    }
    return c10d::ProcessGroupGloo::createDeviceForHostname(own);
  }

  // Not waited for: operations under way may last until their time-out.
  void close_connections() {
    reducer_.reset();
    if (group_) std::thread([group = std::move(group_)]() mutable { group.reset(); }).detach();
  }

  // The first line that differs, in words.
  std::string difference(int rank, const std::string& theirs, const std::string& own) const {
    if (theirs == own) return "";
    std::istringstream ours_lines(own), their_lines(theirs);
    std::string our_line, their_line;
    while (our_line == their_line && (ours_lines || their_lines)) {
      our_line.clear();
      their_line.clear();
      std::getline(ours_lines, our_line);
      std::getline(their_lines, their_line);
    }
    return fmt::format("rank {} was started unlike rank {}: {}, not {}", rank, worker_.rank, their_line, our_line);
  }

  // Shows the others that this process lives, also while it computes.
  void beat() {
    std::unique_lock lock(mutex_);
    try {
      for (std::uint64_t count = 0; !ended_; ++count) {
        pulse_store_->set(key("pulse", worker_.rank), std::to_string(count));
        wake_.wait_for(lock, kHeartbeat, [this] { return ended_; });
      }
    } catch (const std::exception&) {  // the place to meet is gone, which the next sum notices
    }
  }

  void make_reducer(const std::vector<torch::Tensor>& parameters) {
    std::vector<torch::Tensor> backwards(parameters.rbegin(), parameters.rend());  // about as gradients come
    const std::vector<bool> sparse(backwards.size(), false);
    constexpr std::size_t kFirst = c10d::kDefaultFirstBucketBytes;
    constexpr std::size_t kMost = c10d::kDefaultBucketBytesCap;
    auto buckets = std::get<0>(c10d::compute_bucket_assignment_by_size(backwards, {kFirst, kMost}, sparse));
    reducer_ = std::make_unique<c10d::Reducer>(
        backwards, std::move(buckets), group_, sparse, kMost, /*find_unused_parameters=*/false,
        /*gradient_as_bucket_view=*/false, std::unordered_map<std::size_t, std::string>(), kFirst,
        /*skip_all_reduce_unused_params=*/false, /*use_python_reducer=*/false, std::vector<std::int64_t>());
  }

  Worker worker_;
  bool serves_;
  Store store_, pulse_store_;
  c10::intrusive_ptr<c10d::ProcessGroup> group_;
  std::unique_ptr<c10d::Reducer> reducer_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ended_ = false;
  std::thread pulse_;
};

TorchProcesses::TorchProcesses(const Worker& worker) : Processes(worker) {
  if (worker.world_size < 1 || worker.rank < 0 || worker.rank >= worker.world_size || worker.local_world_size < 1) {
    fail(ErrorCode::kInvalidArgument, "worker", "rank {} of {} processes makes no sense", worker.rank,
         worker.world_size);
  }
  if (!several()) return;
  group_ = std::make_unique<Group>(worker);
  try {
    group_->start();
  } catch (const Error& error) {
    leave(error.what());
    throw;
  } catch (const std::exception& error) {
    explain(error);
  }
}

TorchProcesses::~TorchProcesses() = default;

void TorchProcesses::check_alike(const std::string& what, const std::string& text) {
  if (group_) group_->check_alike(what, text);
}

void TorchProcesses::sum(torch::Tensor values) {
  if (!group_) return;
  std::vector<torch::Tensor> tensors = {std::move(values)};
  group_->group().allreduce(tensors)->wait();
}

double TorchProcesses::sum(double value) {
  const torch::Tensor tensor = torch::full({1}, value, torch::kDouble);
  sum(tensor);
  return tensor.item<double>();
}

bool TorchProcesses::any(bool value) { return several() ? sum(value ? 1.0 : 0.0) > 0 : value; }

void TorchProcesses::broadcast(std::vector<torch::Tensor> values) {
  if (!group_) return;
  for (torch::Tensor& value : values) {
    std::vector<torch::Tensor> one = {value};
    group_->group().broadcast(one)->wait();
  }
}

std::string TorchProcesses::broadcast(std::string text) {
  if (!group_) return text;
  const torch::Tensor size = torch::full({1}, static_cast<std::int64_t>(text.size()), torch::kLong);
  broadcast({size});
  text.resize(static_cast<std::size_t>(size.item<std::int64_t>()));
  if (!text.empty()) {
    broadcast({torch::from_blob(text.data(), {static_cast<std::int64_t>(text.size())}, torch::kByte)});
  }
  return text;
}

void TorchProcesses::reduce_next_backward(const std::vector<torch::Tensor>& parameters) {
  if (group_) group_->reduce_next_backward(parameters);
}

void TorchProcesses::explain(const std::exception& error) {
  RESNET_ASSERT(group_);
  group_->explain(short_reason(error));
}

void TorchProcesses::leave(const std::string& reason) {
  if (group_) group_->leave(reason);
}

}  // namespace resnet
