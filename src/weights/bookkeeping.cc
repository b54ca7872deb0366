#include "weights/bookkeeping.h"

#include <algorithm>
#include <array>

namespace resnet {
namespace {

// Anywhere among the parts of a path.
constexpr std::string_view kAnywhere[] = {
    "optimizer",
    "optimizers",
    "optimizer_state_dict",
    "optimizer_states",
    "optimizer_state",
    "optim",
    "optim_state",
    "optim_dict",
    "opt",
    "opt_state",
    "optimizerD",
    "momentum_buffer",
    "exp_avg",
    "exp_avg_sq",
    "scheduler",
    "lr_scheduler",
    "lr_schedulers",
    "scaler",
    "grad_scaler",
    "amp",
    "amp_scaler",
    "loss_scaler",
    "criterion",
    "criterions",
    "criteria",
    "loss",
    "losses",
    "loss_fn",
    "loss_fct",
    "loss_func",
    "loss_function",
    "loss_module",
    "metric",
    "metrics",
    "train_metrics",
    "val_metrics",
    "valid_metrics",
    "test_metrics",
    "accuracy",
    "acc",
    "confmat",
    "confusion_matrix",
    "callbacks",
    "rng_state",
    "cuda_rng_state",
    "torch_rng_state",
    "queue",
    "queue_ptr",
    "n_averaged",
    "total_ops",
    "total_params",
    "__flops__",
    "__params__",
    "global_step",
    "epoch",
    "step",
    "initted",
    "dummy_tensor",
    "center",
    "history",
    "filt",  // of a blur: recognise.cc looks at it
};

// At the end of a part: "train_acc", "val_accuracy", "queue2".
constexpr std::string_view kEndings[] = {"_acc",     "_accuracy", "_metric",    "_metrics",  "_loss",     "_acc1",
                                         "_acc5",    "_top1",     "_top5",      "_f1",       "_auroc",    "_criterion",
                                         "_confmat", "_queue",    "_optimizer", "_momentum", "_rng_state"};

constexpr std::string_view kProjections[] = {
    "projection_head", "prediction_head", "projection",       "projector",        "predictor",
    "prototypes",      "proj_head",       "online_projector", "online_predictor", "contrastive_head",
    "projection_mlp",  "prediction_mlp",  "dino_head",
};

// True where one of the parts of a dotted path is such.
template <typename Test>
bool any_part(std::string_view path, const Test& test) noexcept {
  for (std::size_t begin = 0;;) {
    const std::size_t dot = path.find('.', begin);
    if (test(path.substr(begin, dot - begin))) return true;
    if (dot == std::string_view::npos) return false;
    begin = dot + 1;
  }
}

template <std::size_t N>
bool is_one_of(const std::string_view (&list)[N], std::string_view word) noexcept {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

}  // namespace

bool is_bookkeeping(std::string_view name) noexcept {
  return any_part(name, [](std::string_view part) {
    return is_one_of(kAnywhere, part) || std::any_of(std::begin(kEndings), std::end(kEndings),
                                                     [&](std::string_view ending) { return part.ends_with(ending); });
  });
}

bool is_normalisation(std::string_view name) noexcept {
  constexpr std::string_view kNames[] = {"mean", "std", "pixel_mean", "pixel_std", "image_mean", "image_std"};
  return is_one_of(kNames, name.substr(name.rfind('.') + 1));
}

bool is_projection(std::string_view module) noexcept {
  // DINO's: "teacher.head.mlp.0", "student.module.head.last_layer".
  const auto has = [&](std::string_view part) { return module.find(part) != std::string_view::npos; };
  if ((has("teacher.") || has("student.")) && (has("head.mlp.") || has("head.last_layer"))) return true;
  return any_part(module, [](std::string_view part) { return is_one_of(kProjections, part); });
}

}  // namespace resnet
