#include "train/task.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "base/thread_pool.h"
#include "journal/plan_words.h"
#include "recipe/defaults.h"
#include "train/first_model.h"
#include "weights/initialize.h"

namespace resnet {
namespace {

// `channels` of a network that is there; 0 where it is made to fit.
Preprocessing make_preprocessing(const Recipe& recipe, Stem stem, int channels,
                                 const std::optional<Preprocessing>& of_model) {
  const bool cifar = stem == Stem::kCifar;
  Preprocessing how = preset(cifar ? Preset::kCifar : Preset::kTorchvision);
  if (channels > 0 && channels != 3) {
    how.mean.assign(static_cast<std::size_t>(channels), 0.0F);
    how.std.assign(static_cast<std::size_t>(channels), 1.0F);
  }
  if (of_model) how = *of_model;
  if (recipe.preset) how = preset(*recipe.preset);
  if (recipe.size > 0) {
    const double share = how.resize == 0 ? 0 : static_cast<double>(how.resize) / how.height;
    how.resize = static_cast<int>(std::lround(share * static_cast<double>(recipe.size)));
    how.height = how.width = static_cast<int>(recipe.size);
  }
  if (recipe.resize >= 0) how.resize = static_cast<int>(recipe.resize);
  if (recipe.interpolation) how.interpolation = *recipe.interpolation;
  if (!recipe.mean.empty()) {
    how.mean.assign(recipe.mean.begin(), recipe.mean.end());
    how.std.assign(recipe.std.begin(), recipe.std.end());
  }
  validate(how);
  return how;
}

Architecture make_architecture(const Recipe& recipe) {
  try {
    if (!recipe.arch.empty()) static_cast<void>(find_architecture(recipe.arch));
  } catch (const Error& error) {
    throw Error(error.code(), recipe.place("arch"), error.what());
  }
  return choose(recipe.arch, recipe.changes);
}

// The last batch norm of each block starts at zero, so that blocks begin as identities (Goyal et al. 2017,
// arXiv:1706.02677, section 5.1). Not in a block whose shortcut pads with zeros: the new channels would be zero in both
// summands, ReLU passes no gradient there, and they would never learn.
void zero_last_norms(const Graph& graph, StateDict& weights) {
  for (const Node& node : graph.nodes) {
    if (node.op != Op::kAdd || graph.nodes[node.inputs[1]].op == Op::kPadShortcut) continue;
    const Node& norm = graph.nodes[node.inputs[0]];
    weights.set(norm.path + ".weight", Tensor::zeros(DType::kF32, {norm.out_channels}));
  }
}

// The model's weights where they fit, fresh ones for a head of other classes.
StateDict take_weights(const Graph& graph, const Model& model, bool new_head, std::uint64_t seed) {
  StateDict weights = initial_weights(graph, seed);
  const std::string head = graph.output().path + ".";
  for (const auto& [name, tensor] : model.weights) {
    if (!(new_head && name.starts_with(head))) weights.set(name, tensor);
  }
  return weights;
}

// Those asked for, or this process's part of the machine.
int thread_count(const Recipe& recipe, const Worker& worker) {
  if (recipe.threads > 0 || worker.local_world_size == 1) return static_cast<int>(recipe.threads);
  return std::max(1, available_processors() / worker.local_world_size);
}

FeatureShape input_of(const Task& task, std::int64_t batch, std::int64_t height, std::int64_t width) {
  return {batch, static_cast<std::int64_t>(task.preprocessing.mean.size()), height, width};
}

// The batch norms that learn statistics, and the shapes that they see of such an input.
std::vector<std::pair<const Node*, FeatureShape>> learning_norms(const Task& task, const FeatureShape& input) {
  const std::vector<std::string> frozen = frozen_parts(task.recipe, task.graph);
  const std::vector<FeatureShape> shapes = infer_shapes(task.graph, input);
  std::vector<std::pair<const Node*, FeatureShape>> norms;
  for (std::size_t i = 0; i < task.graph.nodes.size(); ++i) {
    const Node& node = task.graph.nodes[i];
    if (node.op != Op::kBatchNorm || std::find(frozen.begin(), frozen.end(), part_of(node)) != frozen.end()) continue;
    norms.emplace_back(&node, shapes[i]);
  }
  return norms;
}

// Pictures of a smaller size than this leave a batch norm one pixel of a picture; 0 where no size of use changes that.
std::int64_t smallest_size_of_two_pixels(const Task& task) {
  constexpr std::int64_t kMost = 1024;
  for (std::int64_t size = std::min(task.preprocessing.height, task.preprocessing.width) + 1; size <= kMost; ++size) {
    const auto norms = learning_norms(task, input_of(task, 1, size, size));
    if (std::all_of(norms.begin(), norms.end(), [](const auto& n) { return n.second.height * n.second.width > 1; })) {
      return size;
    }
  }
  return 0;
}

// A variance of one value is no statistic: such a run would go on and make nonsense. Every batch of an epoch has as
// many pictures, and those of all processes count together, as the statistics are taken over all of them.
void check_norms(const Task& task) {
  const Preprocessing& how = task.preprocessing;
  const FeatureShape input = input_of(task, task.recipe.batch, how.height, how.width);
  for (const auto& [node, shape] : learning_norms(task, input)) {
    if (shape.batch * shape.height * shape.width > 1) continue;
    const std::int64_t size = smallest_size_of_two_pixels(task);
    fail(ErrorCode::kInvalidArgument, task.recipe.place("batch"),
         "{} picture of {}x{} gives the batch norm {} an input of {}x{}x{}x{}, one value per channel, and that has no "
         "variance to learn from: take --batch 2 or more{}",
         task.recipe.batch, how.height, how.width, node->path, shape.batch, shape.channels, shape.height, shape.width,
         size > 0 ? fmt::format(", or --size {} or more", size) : "");
  }
}

// One class is no task: its probability is 1 before anything is learned.
void check_classes(const Task& task) {
  if (task.classes.size() != 1) return;
  fail(ErrorCode::kInvalidArgument, task.recipe.data,
       "holds one class alone, '{}', and there is nothing to tell it from: name a folder with a folder for each class",
       one_line(task.classes.front()));
}

void check_nothing_of_a_file(const Recipe& recipe) {
  for (const auto& [key, value] : {std::pair("take", &recipe.take), std::pair("head", &recipe.head)}) {
    if (!value->empty())
      fail(ErrorCode::kInvalidArgument, recipe.place(key), "is of a model file, and --from names none");
  }
}

// What the caller left to what suits data and processes. How many epochs suit takes the speed (train.cc).
void choose_open(Task& task, std::span<const std::string> open) {
  const auto is_open = [&](std::string_view key) { return std::find(open.begin(), open.end(), key) != open.end(); };
  Recipe& recipe = task.recipe;
  if (is_open("batch")) {
    recipe.batch = fitting_batch(static_cast<std::int64_t>(task.data.train.size()),
                                 std::max(task.preprocessing.height, task.preprocessing.width), recipe.accumulate,
                                 task.worker.world_size);
    task.chosen.emplace_back("batch");
  }
  if (is_open("lr") && recipe.optimizer == Recipe::Optimizer::kSgd) {
    recipe.lr = fitting_lr(recipe.batch * recipe.accumulate, !recipe.from.empty());
    task.chosen.emplace_back("lr");
  }
}

void check_fit(const Task& task, bool new_head) {
  const Recipe& recipe = task.recipe;
  if (static_cast<std::size_t>(recipe.batch) > task.data.train.size()) {
    fail(ErrorCode::kInvalidArgument, recipe.place("batch"),
         "{} pictures are more than the {} that there are to learn from", recipe.batch, task.data.train.size());
  }
  if (recipe.batch % task.worker.world_size != 0) {
    fail(ErrorCode::kInvalidArgument, recipe.place("batch"), "{} pictures cannot be shared evenly among {} processes",
         recipe.batch, task.worker.world_size);
  }
  if (recipe.mixup + recipe.cutmix > 0 && recipe.batch / task.worker.world_size < 2) {
    fail(ErrorCode::kInvalidArgument, recipe.place("batch"), "mixup and cutmix need two pictures in each process");
  }
  if (!recipe.class_weights.empty() && recipe.class_weights.size() != task.classes.size()) {
    fail(ErrorCode::kInvalidArgument, recipe.place("class_weights"), "{} values for {} classes",
         recipe.class_weights.size(), task.classes.size());
  }
  if (recipe.patience > 0 && task.data.val.size() == 0) {
    fail(ErrorCode::kInvalidArgument, recipe.place("patience"), "there is nothing to validate with; say --val");
  }
  const std::size_t stages = task.graph.architecture.depths.size();
  const auto check_part = [&](const char* key, const std::string& part) {
    if (part.starts_with("layer") && static_cast<std::size_t>(part[5] - '0') > stages) {
      fail(ErrorCode::kInvalidArgument, recipe.place(key), "the network has no {}", part);
    }
  };
  for (const std::string& part : recipe.freeze) {
    check_part("freeze", part);
    if (part == "head" && new_head) {
      fail(ErrorCode::kInvalidArgument, recipe.place("freeze"),
           "the head is a new one, as the classes are not those of --from, and would never learn");
    }
  }
  for (const std::string& item : recipe.stage_lr) check_part("stage_lr", item.substr(0, item.find('=')));
  check_norms(task);
}

}  // namespace

std::string part_of(const Node& node) {
  if (node.op == Op::kLinear) return "head";
  return node.stage < 0 ? "stem" : fmt::format("layer{}", node.stage + 1);
}

std::vector<std::string> frozen_parts(const Recipe& recipe, const Graph& graph) {
  if (recipe.freeze != std::vector<std::string>{"all-but-head"}) return recipe.freeze;
  std::vector<std::string> parts = {"stem"};
  for (std::size_t i = 0; i < graph.architecture.depths.size(); ++i) parts.push_back(fmt::format("layer{}", i + 1));
  return parts;
}

std::int64_t least_values_of_norms(const Task& task) {
  const Preprocessing& how = task.preprocessing;
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  for (const auto& [node, shape] : learning_norms(task, input_of(task, 1, how.height, how.width))) {
    least = std::min(least, shape.height * shape.width);
  }
  return least;
}

Task make_task(const Recipe& recipe, const Worker& worker, std::span<const std::string> open) {
  Task task;
  task.recipe = recipe;
  std::optional<Model> model;
  if (!recipe.from.empty()) {
    FirstModel first = load_first_model(task.recipe);
    model = std::move(first.model);
    task.notices = std::move(first.notices);
  } else {
    check_nothing_of_a_file(recipe);
  }
  Architecture architecture = model ? model->architecture : make_architecture(recipe);

  task.worker = worker;
  task.threads = thread_count(recipe, worker);
  task.preprocessing = make_preprocessing(recipe, architecture.stem, model ? architecture.in_channels : 0,
                                          model ? model->preprocessing : std::nullopt);
  if (model && !model->preprocessing && !recipe.preset) {
    task.notices.push_back(
        fmt::format("preprocessing assumed, as {} does not say it: {}; --preset, --size, --resize, --mean and --std "
                    "would say otherwise",
                    recipe.from, preprocessing_words(task.preprocessing)));
  }
  if (!model) architecture.in_channels = static_cast<int>(task.preprocessing.mean.size());
  if (task.preprocessing.mean.size() != static_cast<std::size_t>(architecture.in_channels)) {
    fail(ErrorCode::kInvalidArgument, recipe.place("mean"), "{} values, but the network of --from takes {} channels",
         task.preprocessing.mean.size(), architecture.in_channels);
  }
  const auto seed = static_cast<std::uint64_t>(recipe.seed);
  task.data = open_training_data(recipe.data, recipe.val, seed);
  task.classes = task.data.train.classes();
  check_classes(task);
  const int classes = static_cast<int>(task.classes.size());
  const bool new_head =
      model && (model->architecture.classes != classes || (!model->classes.empty() && model->classes != task.classes));
  task.new_head = new_head;
  architecture.classes = classes;
  task.graph = expand(architecture);
  task.weights = model ? take_weights(task.graph, *model, new_head, seed) : initial_weights(task.graph, seed);
  if (!model && recipe.zero_init) zero_last_norms(task.graph, task.weights);
  choose_open(task, open);
  check_fit(task, new_head);
  return task;
}

LoaderOptions validation_loader(const Task& task) {
  const Recipe& recipe = task.recipe;
  LoaderOptions options;
  options.preprocessing = task.preprocessing;
  options.batch = static_cast<std::size_t>(recipe.batch / task.worker.world_size);
  options.rank = task.worker.rank;
  options.world_size = task.worker.world_size;
  options.shuffle = false;
  options.drop_last = false;
  options.seed = static_cast<std::uint64_t>(recipe.seed);
  options.threads = task.threads;
  options.bad_images = recipe.bad_images == Recipe::BadImages::kSkip ? BadImages::kSkip : BadImages::kFail;
  options.channels_last = true;
  options.max_pixels = recipe.max_pixels;
  options.decoded_memory = static_cast<std::size_t>(recipe.cache_megabytes) << 20;
  return options;
}

LoaderOptions training_loader(const Task& task) {
  const Recipe& recipe = task.recipe;
  LoaderOptions options = validation_loader(task);
  options.shuffle = recipe.shuffle;
  options.drop_last = true;
  Augmentation change;
  switch (recipe.crop) {
    case Recipe::Crop::kResized: change.resized_crop.emplace().min_area = recipe.crop_min_area; break;
    case Recipe::Crop::kPadded: change.padded_crop = PadAndCrop{static_cast<int>(recipe.padding)}; break;
    case Recipe::Crop::kNone: break;
  }
  change.flip = recipe.flip;
  change.jitter = {recipe.brightness, recipe.contrast, recipe.saturation, recipe.hue};
  switch (recipe.policy) {
    case Recipe::Policy::kNone: break;
    case Recipe::Policy::kTrivial: change.trivial_augment = true; break;
    case Recipe::Policy::kRand:
      change.rand_augment =
          RandAugment{static_cast<int>(recipe.rand_operations), static_cast<int>(recipe.rand_magnitude)};
      break;
  }
  change.erasing.probability = recipe.erasing;
  change.mixup = recipe.mixup;
  change.cutmix = recipe.cutmix;
  options.augmentation = change;
  return options;
}

}  // namespace resnet
