#include "serve/repository.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "base/error.h"
#include "base/text.h"

namespace resnet::serve {
namespace {

namespace fs = std::filesystem;

constexpr int kLowPriority = 10;  // nice(1) of the loading thread

// A positive number as versions are, without zeros before it: each has one name; 0 for another text.
std::int64_t version_number(std::string_view text) {
  if (text.starts_with('0')) return 0;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : 0;
}

// Names stand in URLs and in labels of metrics.
void check_name(const std::string& name, const std::string& where) {
  const bool fine = !name.empty() && name.size() <= 128 && name[0] != '.' &&
                    std::all_of(name.begin(), name.end(), [](unsigned char c) {
                      return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
                    });
  if (!fine) {
    fail(ErrorCode::kInvalidArgument, where,
         "a model's name has letters, digits, '-', '_' and '.'; give one with NAME=PATH");
  }
}

// "photos" of "models/photos.safetensors".
std::string name_of(const std::string& path) {
  fs::path trimmed = fs::path(path);
  if (!trimmed.has_filename()) trimmed = trimmed.parent_path();
  return fs::is_directory(trimmed) ? trimmed.filename().string() : trimmed.stem().string();
}

// The model's file in the folder of a version; the folder itself where it holds one as hubs do.
std::string model_in(const fs::path& folder) {
  const fs::path usual = folder / "model.safetensors";
  std::error_code error;
  return fs::exists(usual, error) ? usual.string() : folder.string();
}

// Changes where the file, or a file of the folder, is written or replaced; empty where it is not there.
std::string stamp_of(const std::string& path) {
  std::error_code error;
  std::string stamp;
  const auto add = [&](const fs::path& file) {
    const auto time = fs::last_write_time(file, error).time_since_epoch().count();
    stamp += fmt::format("{} {} {};", file.filename().string(), time, fs::file_size(file, error));
  };
  if (fs::is_regular_file(path, error)) add(path);
  if (fs::is_directory(path, error)) {
    std::vector<fs::path> files;
    for (const fs::directory_entry& entry : fs::directory_iterator(path, error)) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    for (const fs::path& file : files) add(file);
  }
  return stamp;
}

}  // namespace

std::string_view name(ModelState state) noexcept {
  switch (state) {
    case ModelState::kLoading: return "LOADING";
    case ModelState::kReady: return "READY";
    case ModelState::kUnavailable: return "UNAVAILABLE";
  }
  return "";
}

Repository::Repository(RepositoryOptions options, Say say, ServerCounters& counters)
    : options_(std::move(options)), say_(std::move(say)), server_counters_(counters) {
  settle(look());
  if (entries_.empty()) {
    fail(ErrorCode::kNotFound, options_.folder.value_or("models"),
         "holds no NAME/VERSION/model.safetensors, VERSION a number");
  }
  loader_ = std::thread([this] { work(); });
}

Repository::~Repository() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  there_.notify_all();
  if (loader_.joinable()) loader_.join();
}

std::map<Repository::Key, std::string> Repository::look() const {
  std::map<Key, std::string> found;
  const auto add = [&](std::string name, std::string version, std::string path) {
    check_name(name, path);
    const auto [place, added] = found.emplace(Key(std::move(name), std::move(version)), path);
    if (!added) {
      fail(ErrorCode::kInvalidArgument, path, "a second model of the name '{}'; give one of them with NAME=PATH",
           place->first.first);
    }
  };
  for (const std::string& given : options_.models) {
    std::error_code error;
    const std::size_t equals = given.find('=');
    const bool named = equals != std::string::npos && !fs::exists(given, error);
    const std::string path = named ? given.substr(equals + 1) : given;
    if (!fs::exists(path, error)) fail(ErrorCode::kNotFound, path, "no such file or folder");
    add(named ? given.substr(0, equals) : name_of(path), "1", path);
  }
  if (options_.folder) {
    std::error_code error;
    if (!fs::is_directory(*options_.folder, error)) fail(ErrorCode::kNotFound, *options_.folder, "no such folder");
    for (const fs::directory_entry& model : fs::directory_iterator(*options_.folder)) {
      if (!model.is_directory(error) || model.path().filename().string().starts_with('.')) continue;
      for (const fs::directory_entry& version : fs::directory_iterator(model.path())) {
        const std::string number = version.path().filename().string();
        if (!version.is_directory(error) || version_number(number) < 1) continue;
        add(model.path().filename().string(), number, model_in(version.path()));
      }
    }
  }
  return found;
}

// What is new is loaded soon, what is no longer there ends.
void Repository::settle(const std::map<Key, std::string>& found) {
  const std::lock_guard lock(mutex_);
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    entry = found.count(entry->first) == 0 ? entries_.erase(entry) : std::next(entry);
  }
  for (const auto& [key, path] : found) entries_[key].path = path;
}

std::shared_ptr<const ServedModel> Repository::find(std::string_view name, std::string_view version) const {
  const std::lock_guard lock(mutex_);
  const Entry* best = nullptr;
  std::int64_t best_version = -1;
  bool known = false;
  bool wanted = false;
  for (const auto& [key, entry] : entries_) {
    if (key.first != name || (!version.empty() && key.second != version)) continue;
    known = true;
    wanted = wanted || entry.wanted;
    if (entry.model && version_number(key.second) > best_version) {
      best = &entry;
      best_version = version_number(key.second);
    }
  }
  if (best != nullptr) return best->model;
  const std::string where =
      version.empty() ? one_line(name) : fmt::format("{} version {}", one_line(name), one_line(version));
  if (!known) fail(ErrorCode::kNotFound, where, "there is no such model");
  if (!wanted) fail(ErrorCode::kUnsupported, where, "the model was unloaded");
  throw NotReady(where);
}

std::shared_ptr<const ServedModel> Repository::only() const {
  std::string name;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, entry] : entries_) {
      if (!name.empty() && key.first != name) {
        fail(ErrorCode::kInvalidArgument, "model", "there are several: name one, /classify?model={}", name);
      }
      name = key.first;
    }
  }
  return find(name);
}

std::optional<std::string> Repository::load_now(const Key& key) {
  std::string path;
  std::shared_ptr<ModelCounters> counters;
  std::int64_t others = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto entry = entries_.find(key);
    if (entry == entries_.end()) return "it is no longer there";
    path = entry->second.path;
    entry->second.stamp = stamp_of(path);
    counters = entry->second.counters;
    if (!entry->second.model) entry->second.state = ModelState::kLoading;
    for (const auto& [other, value] : entries_) {
      if (value.model) others += value.model->bytes();
    }
  }
  ++server_counters_.loads;
  std::shared_ptr<const ServedModel> model;
  std::string reason;
  try {
    model = std::make_shared<ServedModel>(key.first, key.second, path, options_.model, counters, say_);
    if (options_.memory_limit > 0 && others + model->bytes() > options_.memory_limit) {
      reason = fmt::format("{}: takes {} MB beside the {} MB of the models that are loaded: more than --memory-limit",
                           path, model->bytes() / 1'000'000, others / 1'000'000);
    }
  } catch (const std::exception& error) {
    reason = error.what();
  }
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(key);
  if (entry == entries_.end()) return "it is no longer there";
  Entry& e = entry->second;
  e.reason = reason;
  if (reason.empty()) {
    e.model = std::move(model);
    e.state = ModelState::kReady;
    e.wanted = true;
    return std::nullopt;
  }
  ++server_counters_.failed_loads;
  e.state = e.model ? ModelState::kReady : ModelState::kUnavailable;
  if (e.model) say_(reason + "; the model that was loaded before stays");
  return reason;
}

void Repository::reload_all(std::function<void()> done) {
  enqueue([this, done = std::move(done)] {
    try {
      settle(look());
    } catch (const std::exception& error) {
      say_(error.what());
    }
    std::vector<Key> keys;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [key, entry] : entries_) {
        if (entry.wanted) keys.push_back(key);
      }
    }
    for (const Key& key : keys) {
      {
        const std::lock_guard lock(mutex_);
        if (ending_) return;
      }
      load_now(key);
    }
    if (done) done();
  });
}

void Repository::look_for_changes() {
  enqueue([this] {
    std::map<Key, std::string> found;
    try {
      found = look();
    } catch (const Error&) {
      return;  // a folder that is being replaced, say: the next look will tell
    }
    std::vector<Key> changed;
    bool fewer = false;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [key, path] : found) {
        const auto entry = entries_.find(key);
        const std::string stamp = stamp_of(path);
        const bool still = std::exchange(seen_[key], stamp) == stamp;
        const bool wanted = entry == entries_.end() || (entry->second.wanted && entry->second.stamp != stamp);
        if (still && wanted && !stamp.empty()) changed.push_back(key);
      }
      for (const auto& [key, entry] : entries_) fewer = fewer || found.count(key) == 0;
    }
    if (changed.empty() && !fewer) return;
    std::erase_if(found, [&](const auto& each) {  // what is still being written comes later
      const std::lock_guard lock(mutex_);
      return entries_.count(each.first) == 0 && std::find(changed.begin(), changed.end(), each.first) == changed.end();
    });
    settle(found);
    for (const Key& key : changed) {
      if (!load_now(key)) say_(fmt::format("loaded {} version {} anew", key.first, key.second));
    }
  });
}

void Repository::load(const std::string& name, std::function<void(std::optional<std::string>)> done) {
  const std::map<Key, std::string> found = look();
  std::vector<Key> keys;
  for (const auto& [key, path] : found) {
    if (key.first == name) keys.push_back(key);
  }
  if (keys.empty()) fail(ErrorCode::kNotFound, one_line(name), "there is no such model");
  {
    const std::lock_guard lock(mutex_);
    for (const Key& key : keys) entries_[key].path = found.at(key);
  }
  enqueue([this, keys, done = std::move(done)] {
    std::optional<std::string> problem;
    for (const Key& key : keys) {
      if (auto failed = load_now(key)) problem = failed;
    }
    if (done) done(problem);
  });
}

void Repository::unload(const std::string& name) {
  std::vector<std::shared_ptr<const ServedModel>> ended;  // destroyed without the lock
  const std::lock_guard lock(mutex_);
  for (auto& [key, entry] : entries_) {
    if (key.first != name) continue;
    ended.push_back(std::move(entry.model));
    entry.model = nullptr;
    entry.state = ModelState::kUnavailable;
    entry.wanted = false;
    entry.reason = "unloaded";
  }
  if (ended.empty()) fail(ErrorCode::kNotFound, one_line(name), "there is no such model");
}

std::vector<ModelStatus> Repository::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<ModelStatus> all;
  for (const auto& [key, e] : entries_) {
    all.push_back({key.first, key.second, e.path, e.state, e.reason, e.model, e.counters});
  }
  return all;
}

std::vector<std::string> Repository::versions(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> all;
  for (const auto& [key, entry] : entries_) {
    if (key.first == name) all.push_back(key.second);
  }
  return all;
}

bool Repository::ready() const {
  const std::lock_guard lock(mutex_);
  return std::all_of(entries_.begin(), entries_.end(),
                     [](const auto& entry) { return entry.second.model != nullptr || !entry.second.wanted; });
}

void Repository::enqueue(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  there_.notify_one();
}

void Repository::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    there_.wait(lock, [this] { return ending_ || !tasks_.empty(); });
    if (ending_) return;
    const std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    // The first task is the load at the start, which disturbs nobody. From now on, this thread alone:
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kLowPriority);
    lock.lock();
  }
}

}  // namespace resnet::serve
