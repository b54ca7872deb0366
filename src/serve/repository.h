// The models of a server by name and version: found on disk, loaded beside the old ones and then put in their place.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "resnet/error.h"
#include "serve/served_model.h"

namespace resnet::serve {

struct RepositoryOptions {
  std::vector<std::string> models;    // files or folders, "NAME=PATH" or "PATH", of which the name is then made
  std::optional<std::string> folder;  // of NAME/VERSION/model.safetensors, or of NAME/VERSION/ with one model's files
  ModelOptions model;
  std::int64_t memory_limit = 0;  // bytes of all models together; 0: none
};

enum class ModelState { kLoading, kReady, kUnavailable };
std::string_view name(ModelState state) noexcept;  // "LOADING", "READY", "UNAVAILABLE", as the protocol says

// A model that is to be there, but does not answer now: it is being loaded, or failed to load.
class NotReady : public Error {
 public:
  explicit NotReady(std::string model) : Error(ErrorCode::kUnsupported, std::move(model), "the model is not ready") {}
};

struct ModelStatus {
  std::string name;
  std::string version;
  std::string path;
  ModelState state = ModelState::kUnavailable;
  std::string reason;                        // why it is not ready, or why the last load failed while the old one stays
  std::shared_ptr<const ServedModel> model;  // null where it is not ready
  std::shared_ptr<ModelCounters> counters;
};

// All functions may be called from several threads at the same time. Models are loaded one after the other on a
// thread, of low priority when the first load is done.
class Repository {
 public:
  using Say = std::function<void(const std::string&)>;

  // Finds the models; loads none yet. Throws kNotFound, kInvalidArgument for two of one name.
  Repository(RepositoryOptions options, Say say, ServerCounters& counters);
  Repository(const Repository&) = delete;
  Repository& operator=(const Repository&) = delete;
  ~Repository();

  // The version named, or the highest ready one. Throws kNotFound where there is none of this name,
  // kUnsupported where it was unloaded, NotReady.
  std::shared_ptr<const ServedModel> find(std::string_view name, std::string_view version = {}) const;

  // Of a server with one model: that one. Throws kInvalidArgument where there are several.
  std::shared_ptr<const ServedModel> only() const;

  // Looks at the folder anew and loads everything anew, in the background. `done` is called on the loading thread.
  void reload_all(std::function<void()> done = {});

  // The same for what is new or was written since it was loaded, once a second look finds it unchanged; for a timer.
  void look_for_changes();

  // Loads what the folder or the files have of this name, anew where it is loaded already; `done` is told why it
  // failed, or nothing. Throws kNotFound for a name that is nowhere.
  void load(const std::string& name, std::function<void(std::optional<std::string>)> done = {});

  // Requests that have begun go on. Throws kNotFound.
  void unload(const std::string& name);

  std::vector<ModelStatus> list() const;  // by name, then by version
  std::vector<std::string> versions(std::string_view name) const;

  // Whether everything that was found is there: loaded, or unloaded by request.
  bool ready() const;

 private:
  struct Entry {
    std::string path;
    std::string stamp;  // of the file that was loaded, or was tried
    ModelState state = ModelState::kLoading;
    bool wanted = true;  // not unloaded
    std::string reason;
    std::shared_ptr<const ServedModel> model;
    std::shared_ptr<ModelCounters> counters = std::make_shared<ModelCounters>();
  };
  using Key = std::pair<std::string, std::string>;  // name and version

  std::map<Key, std::string> look() const;  // paths of what is there
  void settle(const std::map<Key, std::string>& found);
  std::optional<std::string> load_now(const Key& key);
  void enqueue(std::function<void()> task);
  void work();

  const RepositoryOptions options_;
  const Say say_;
  ServerCounters& server_counters_;
  mutable std::mutex mutex_;  // for all that follows; held for moments
  std::map<Key, Entry> entries_;
  std::map<Key, std::string> seen_;  // stamps, by look_for_changes(); for the loading thread alone
  std::deque<std::function<void()>> tasks_;
  std::condition_variable there_;
  bool ending_ = false;
  std::thread loader_;
};

}  // namespace resnet::serve
