// A model that answers requests, and the tensors it takes and gives.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "resnet/classifier.h"
#include "resnet/crew.h"
#include "resnet/explain.h"
#include "serve/drift_gauge.h"
#include "serve/metrics.h"

namespace resnet::serve {

struct ModelOptions {
  std::optional<Precision> precision;
  int sessions = 1;  // requests that run at a time
  std::int64_t max_pixels = 50'000'000;
  std::shared_ptr<Crew> crew{};  // helps lone requests; null: each runs on one thread
  bool check = false;            // what comes in is held to what the first batch norm remembers
};

// What V2 calls a tensor's metadata; -1 in a shape is any number.
struct TensorMetadata {
  std::string name;
  std::string datatype;
  std::vector<std::int64_t> shape;
};

// Immutable but for its counters: may be used from several threads.
class ServedModel {
 public:
  // Loads the file and runs the network once, so that no request pays for that. `say` is told what was decided about
  // a file that does not describe itself. Throws what load_model() and Engine throw.
  ServedModel(std::string name, std::string version, std::string path, const ModelOptions& options,
              std::shared_ptr<ModelCounters> counters, const std::function<void(const std::string&)>& say);

  const std::string& name() const noexcept { return name_; }
  const std::string& version() const noexcept { return version_; }
  const std::string& path() const noexcept { return path_; }
  const Classifier& classifier() const noexcept { return classifier_; }
  bool has_head() const noexcept { return classifier_.architecture().classes > 0; }
  const Embedder& embedder() const noexcept { return embedder_; }
  const Explainer& explainer() const noexcept { return explainer_; }
  ModelCounters& counters() const noexcept { return *counters_; }
  DriftGauge* drift() const noexcept { return drift_.get(); }  // null where it is not asked for
  DecodeOptions decode_options() const noexcept;

  std::vector<TensorMetadata> inputs() const;
  std::vector<TensorMetadata> outputs() const;

  // Bytes of packed weights and of the memory of a run.
  std::int64_t bytes() const;

 private:
  std::string name_, version_, path_;
  std::int64_t max_pixels_;
  std::unique_ptr<DriftGauge> drift_;
  Classifier classifier_;
  Embedder embedder_;
  Explainer explainer_;
  std::shared_ptr<ModelCounters> counters_;
};

}  // namespace resnet::serve
