// The search: hypotheses about the preprocessing are sorted by the first batch norm, which no other layer comes before;
// then the network is changed field by field as long as that brings what is remembered nearer.
#include "resnet/check.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "arch/schema.h"
#include "base/error.h"
#include "check/clipped_values.h"
#include "check/hypotheses.h"
#include "check/moments.h"
#include "check/picture_set.h"
#include "program/quantized.h"

namespace resnet {
namespace {

constexpr std::size_t kMostGroups = 8;
constexpr std::size_t kPreparedInFull = 6;  // of the likeliest preprocessings
constexpr int kRounds = 4;                  // of changing a field: the last one only looks whether there is more
constexpr std::size_t kKept = 3;            // networks that the next field is changed of
constexpr std::int64_t kBatch = 16;
constexpr double kFarOff = 0.5;  // whatever fits is nearer (docs/check.md)

// Fewer pictures do not contradict the order of channels alone: a few of sea and sky look like others in BGR.
constexpr std::size_t kPicturesForOrder = 64;

// Pictures are changed in training (crops beyond their edges, other colours), which moves the scale of what goes in
// more than anything else.
constexpr double kOtherNormalisation = 1.25;
constexpr double kOtherField = 1.1;

// Whether the same numbers stand for the same colours.
bool normalises_alike(const Preprocessing& a, const Preprocessing& b) {
  if (a.channels == b.channels || a.mean.size() != 3) return a.mean == b.mean && a.std == b.std;
  const auto turned = [](const std::vector<float>& x, const std::vector<float>& y) {
    return std::equal(x.begin(), x.end(), y.rbegin(), y.rend());
  };
  return (a.mean == b.mean && a.std == b.std) || (turned(a.mean, b.mean) && turned(a.std, b.std));
}

class Search {
 public:
  Search(const Model& model, std::span<const float> pictures, const FeatureShape& shape, const CheckOptions& options)
      : model_(model), weights_(float_weights(model)), pictures_(pictures, shape), shape_(shape), options_(options) {
    groups_ = std::min(kMostGroups, static_cast<std::size_t>(shape.batch));
    for (const Node& node : expand(model.architecture).nodes) {
      if (node.op != Op::kBatchNorm) continue;
      remembers_ = !remembered(weights_, node.path).never_updated();
      if (remembers_ || options.first_norm_alone) break;
    }
  }

  // Whether a batch norm that counts was ever updated.
  bool remembers() const { return remembers_; }

  // What is stated comes first; it is all there is where nothing is remembered.
  std::vector<Hypothesis> run() {
    const Preprocessing& stated = *model_.preprocessing;
    if (!remembers_) {
      try_out(model_.architecture, stated);
      return std::move(tried_);
    }
    std::vector<Hypothesis> prepared;
    for (const Preprocessing& how : likely_preprocessings(stated)) {
      Hypothesis hypothesis;
      hypothesis.architecture = model_.architecture;
      hypothesis.preprocessing = how;
      measure(hypothesis, true);
      prepared.push_back(std::move(hypothesis));
    }
    if (options_.first_norm_alone) return prepared;
    std::stable_sort(prepared.begin() + 1, prepared.end(), nearer_at_first);
    if (prepared.size() > kPreparedInFull) prepared.resize(kPreparedInFull);
    // What goes into the first batch norm hardly depends on the network, so that a wrong one misleads nobody about how
    // pictures were prepared, or about another of its own fields.
    std::vector<Preprocessing> bases = {stated};
    const Hypothesis& first = *std::min_element(prepared.begin(), prepared.end(), nearer_at_first);
    if (first.preprocessing != stated) bases.push_back(first.preprocessing);
    planned_ = prepared.size() + bases.size() * likely_neighbours(model_.architecture).size();
    for (const Hypothesis& hypothesis : prepared) try_out(hypothesis.architecture, hypothesis.preprocessing);
    for (const Preprocessing& how : bases) climb(how);
    const Architecture network = nearest().architecture;
    for (const Hypothesis& hypothesis : prepared) try_out(network, hypothesis.preprocessing);
    return std::move(tried_);
  }

 private:
  static StateDict float_weights(const Model& model) {
    const Graph graph = expand(model.architecture);
    return is_quantized(graph, model.weights) ? dequantized(graph, model.weights) : model.weights;
  }

  const Hypothesis& nearest() const {
    return *std::min_element(tried_.begin(), tried_.end(),
                             [](const Hypothesis& a, const Hypothesis& b) { return a.distance < b.distance; });
  }

  static bool nearer_at_first(const Hypothesis& a, const Hypothesis& b) { return a.first_distance < b.first_distance; }

  // The networks that are nearest where pictures are prepared so.
  std::vector<Architecture> nearest_networks(const Preprocessing& how, std::size_t most) const {
    std::vector<const Hypothesis*> found;
    for (const Hypothesis& tried : tried_) {
      if (tried.preprocessing == how) found.push_back(&tried);
    }
    std::stable_sort(found.begin(), found.end(),
                     [](const Hypothesis* a, const Hypothesis* b) { return a->distance < b->distance; });
    std::vector<Architecture> networks;
    for (const Hypothesis* hypothesis : found) {
      if (networks.size() < most) networks.push_back(hypothesis->architecture);
    }
    return networks;
  }

  // Changes one field after the other as long as that brings the network nearer.
  void climb(const Preprocessing& how) {
    std::vector<Architecture> bases = nearest_networks(how, 1);
    for (int round = 0; round < kRounds; ++round) {
      const Architecture before = nearest_networks(how, 1).front();
      for (const Architecture& base : bases) {
        for (const Architecture& network : likely_neighbours(base)) try_out(network, how);
      }
      bases = nearest_networks(how, kKept);
      if (bases.front() == before) return;
    }
  }

  void try_out(const Architecture& network, const Preprocessing& how) {
    const bool known = std::any_of(tried_.begin(), tried_.end(), [&](const Hypothesis& other) {
      return other.architecture == network && other.preprocessing == how;
    });
    if (known) return;
    Hypothesis hypothesis;
    hypothesis.architecture = network;
    hypothesis.preprocessing = how;
    try {
      measure(hypothesis, false);
    } catch (const Error& error) {  // pictures too small for this network
      if (tried_.empty() || error.code() != ErrorCode::kInvalidArgument) throw;
      return;
    }
    tried_.push_back(std::move(hypothesis));
    if (options_.progress) options_.progress(tried_.size(), std::max(planned_, tried_.size()));
  }

  void measure(Hypothesis& hypothesis, bool first_alone) {
    Graph graph = expand(hypothesis.architecture);
    std::vector<NormMoments> norms;
    if (first_alone) {  // nothing is packed for what nobody looks at
      const auto norm = std::find_if(graph.nodes.begin(), graph.nodes.end(),
                                     [](const Node& node) { return node.op == Op::kBatchNorm; });
      if (norm != graph.nodes.end()) graph.nodes.erase(norm + 1, graph.nodes.end());
    }
    for (std::int64_t begin = 0; begin < shape_.batch; begin += kBatch) {
      const std::int64_t end = std::min(shape_.batch, begin + kBatch);
      std::size_t index = 0;
      observe_norms(graph, weights_, pictures_.prepare(hypothesis.preprocessing, begin, end),
                    {end - begin, shape_.channels, shape_.height, shape_.width}, options_.threads,
                    [&](const NormInput& seen) {
                      if (begin == 0) norms.push_back({seen.node->path, std::vector<Moments>(groups_)});
                      add(norms[index++], seen, begin);
                    });
    }
    if (norms.empty()) fail(ErrorCode::kUnsupported, "check", "the network has no batch norms");
    summarise(norms, hypothesis);
  }

  void add(NormMoments& norm, const NormInput& seen, std::int64_t first_picture) const {
    const std::int64_t pixels = seen.shape.height * seen.shape.width;
    for (std::int64_t i = 0; i < seen.shape.batch; ++i) {
      norm.groups[static_cast<std::size_t>(first_picture + i) % groups_].add(
          seen.values.data() + i * pixels * seen.row, seen.row, pixels, static_cast<std::size_t>(seen.shape.channels));
    }
  }

  void summarise(const std::vector<NormMoments>& norms, Hypothesis& hypothesis) const {
    hypothesis.groups.assign(groups_, 0);
    std::vector<std::pair<const NormMoments*, Remembered>> counted;  // what was never updated does not, if others were
    for (const NormMoments& norm : norms) {
      Remembered memory = remembered(weights_, norm.path);
      if (!remembers_ || !memory.never_updated()) counted.emplace_back(&norm, std::move(memory));
    }
    hypothesis.distance = hypothesis.first_distance = 0;
    const auto count = static_cast<double>(counted.size());
    for (const auto& [norm, memory] : counted) {
      Moments all;
      for (std::size_t g = 0; g < groups_; ++g) {
        all += norm->groups[g];
        hypothesis.groups[g] += distance(norm->groups[g], memory) / count;
      }
      const double whole = distance(all, memory);
      if (norm == &norms.front()) hypothesis.first_distance = whole;
      hypothesis.distance += whole / count;
    }
    hypothesis.handicap = handicap(hypothesis);
    hypothesis.distance *= hypothesis.handicap;
    for (double& group : hypothesis.groups) group *= hypothesis.handicap;
  }

  double handicap(const Hypothesis& hypothesis) const {
    const Preprocessing& how = hypothesis.preprocessing;
    const Preprocessing& stated = *model_.preprocessing;
    double result = normalises_alike(how, stated) ? 1 : kOtherNormalisation;
    if (how.channels != stated.channels) result *= kOtherField;
    for (const ArchitectureField& field : architecture_fields()) {
      if (field.name == "negative_slope") continue;  // comes with its activation
      if (get(field, hypothesis.architecture) != get(field, model_.architecture)) result *= kOtherField;
    }
    return result;
  }

  const Model& model_;
  StateDict weights_;
  PictureSet pictures_;
  FeatureShape shape_;
  const CheckOptions& options_;
  bool remembers_ = false;
  std::size_t groups_ = 0;
  std::size_t planned_ = 0;  // hypotheses
  std::vector<Hypothesis> tried_;
};

// By how many standard errors `b` is farther than `a`, whose handicap is taken off, in the groups of pictures
// (Student's paired t).
double certainty(const Hypothesis& a, const Hypothesis& b, double handicap) {
  const auto count = static_cast<double>(a.groups.size());
  std::vector<double> farther(a.groups.size());
  std::transform(b.groups.begin(), b.groups.end(), a.groups.begin(), farther.begin(),
                 [&](double of_b, double of_a) { return of_b - of_a / handicap; });
  const double mean = std::accumulate(farther.begin(), farther.end(), 0.0) / count;
  double squares = 0;
  for (const double value : farther) squares += (value - mean) * (value - mean);
  const double error = std::sqrt(squares / (count - 1) / count);
  return error > 0 ? mean / error : mean > 0 ? INFINITY : 0;
}

// How much farther the other one must be, and by how many standard errors. Pictures that are compressed or taken
// otherwise than the training's move all distances, which chance does not: hence the shares. Whoever contradicts needs
// more.
struct Threshold {
  double share, errors;
};

Verdict judge(const Hypothesis& nearest, const Hypothesis& other, bool contradicts, std::size_t pictures) {
  const bool order_alone = nearest.preprocessing.channels != other.preprocessing.channels &&
                           normalises_alike(nearest.preprocessing, other.preprocessing) &&
                           nearest.architecture == other.architecture;
  if (contradicts && order_alone && pictures < kPicturesForOrder) return Verdict::kCannotTell;
  const bool by_scale = contradicts && !normalises_alike(nearest.preprocessing, other.preprocessing);
  const Threshold sure = {contradicts ? 1.5 : 1.25, 4};
  const Threshold likely = {by_scale ? 1.3 : contradicts ? 1.15 : 1.1, contradicts ? 3.0 : 2.0};
  if (nearest.distance > kFarOff) return Verdict::kCannotTell;
  // What is stated has no handicap, and needs none where it is to be contradicted.
  const double handicap = contradicts ? nearest.handicap : 1;
  const double share = other.distance / nearest.distance * handicap;
  const double errors = certainty(nearest, other, handicap);
  const auto passes = [&](const Threshold& least) { return share >= least.share && errors >= least.errors; };
  return passes(sure) ? Verdict::kSure : passes(likely) ? Verdict::kLikely : Verdict::kCannotTell;
}

}  // namespace

std::string_view name(Verdict value) noexcept {
  switch (value) {
    case Verdict::kSure: return "sure";
    case Verdict::kLikely: return "likely";
    case Verdict::kCannotTell: break;
  }
  return "cannot tell";
}

CheckReport check_model(const Model& model, std::span<const float> pictures, const FeatureShape& shape,
                        const CheckOptions& options) {
  const auto refuse = [](const char* message) { fail(ErrorCode::kMismatch, "pictures", "{}", message); };
  if (!model.preprocessing) refuse("nothing says how they are prepared");
  if (shape.batch < 2) refuse("two at least are needed");
  if (static_cast<std::int64_t>(pictures.size()) != shape.count()) refuse("their number is not what the shape says");
  if (shape.channels != model.architecture.in_channels) refuse("they have other channels than the network takes");
  CheckReport report;
  report.pictures = static_cast<std::size_t>(shape.batch);
  if (!options.first_norm_alone) report.open = tried_fields(model.architecture);
  report.weights = find_weight_problems(expand(model.architecture), model.weights);
  if (!options.first_norm_alone) {
    const auto clipped = find_clipped_values(model, PictureSet(pictures, shape), options.threads);
    report.weights.insert(report.weights.end(), clipped.begin(), clipped.end());
  }
  Search search(model, pictures, shape, options);
  report.remembers = search.remembers();
  report.hypotheses = search.run();
  std::vector<Hypothesis>& found = report.hypotheses;
  const Hypothesis stated = found.front();  // which is tried first
  std::stable_sort(found.begin(), found.end(),
                   [](const Hypothesis& a, const Hypothesis& b) { return a.distance < b.distance; });
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (found[i].architecture == stated.architecture && found[i].preprocessing == stated.preprocessing) {
      report.stated = i;
    }
  }
  const bool other = report.stated != 0;
  if (found.size() > 1) report.verdict = judge(found[0], found[other ? report.stated : 1], other, report.pictures);
  report.contradicted = other && report.verdict != Verdict::kCannotTell;
  return report;
}

}  // namespace resnet
