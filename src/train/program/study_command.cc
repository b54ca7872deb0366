// resnet study degradation: trains plain and residual networks of several depths with one recipe, and shows what depth
// does to either.
#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "cli/predict_output.h"
#include "dataset/image_set.h"
#include "journal/degradation.h"
#include "recipe/keys.h"
#include "train/program/console.h"
#include "train/program/train_command.h"

namespace resnet::cli {
namespace {

struct StudyCommand {
  std::string kind;
  std::string data, val;
  std::string recipe;
  std::string out = "degradation";
  std::vector<int> depths = {20, 56};
  std::int64_t epochs = 15;
  int seeds = 1;
  bool json = false;
};

// He et al. 2015, section 4.2: pictures padded, cropped and flipped, batches of 128, SGD at 0.1 with momentum 0.9, the
// rate divided by ten after half and after three quarters of the run. Its 64,000 iterations are shortened; blocks begin
// as identities (Goyal et al. 2017), as a short run would else be over before the deepest networks have got going.
Recipe paper_recipe(std::int64_t epochs) {
  Recipe recipe;
  recipe.preset = "cifar";
  recipe.mean = {0.4914, 0.4822, 0.4465};
  recipe.std = {0.2470, 0.2435, 0.2616};
  recipe.crop = "padded";
  recipe.batch = 128;
  recipe.lr = 0.1;
  recipe.nesterov = false;
  recipe.weight_decay = 1e-4;
  recipe.decay_all = true;
  recipe.schedule = "constant";
  if (epochs >= 4) {
    recipe.schedule = "step";
    recipe.step_epochs = {0.5 * static_cast<double>(epochs), 0.75 * static_cast<double>(epochs)};
    recipe.step_factor = 0.1;
  }
  return recipe;
}

// Every field of the runs but network and seed.
Recipe common_recipe(const StudyCommand& command) {
  Recipe recipe = paper_recipe(command.epochs);
  if (!command.recipe.empty()) recipe = read_recipe(command.recipe, Recipe());
  recipe.data = command.data;
  if (!command.val.empty()) recipe.val = command.val;
  recipe.epochs = command.epochs;
  return recipe;
}

StudyRun train_one(const StudyCommand& command, Recipe recipe, int depth, bool residual, std::int64_t seed) {
  StudyRun run{fmt::format("{}{}", residual ? "resnet" : "plain", depth), residual, depth, seed, {}};
  recipe.arch = run.network;
  recipe.seed = seed;
  const std::string title = fmt::format("{} seed {}  ", run.network, seed);
  ProgressLine line;
  line.set_title(title);
  TrainHooks hooks;
  hooks.step = [&](const StepProgress& progress) { line.show(progress); };
  hooks.epoch = [&](const EpochRecord& r) {
    line.clear();
    if (command.json) return;
    fmt::print("{}epoch {}/{}  training error {:.2f} %  test error {:.2f} %  {:.1f} images/s  {}\n", title, r.epoch,
               recipe.epochs, 100 * (1 - r.train_top1), 100 * (1 - r.val_top1), r.images_per_second,
               duration(r.seconds));
    std::fflush(stdout);
  };
  hooks.notice = [&](const std::string& text) {
    line.clear();
    say(title + text);
  };
  hooks.stop = [] { return stop_signal() != 0; };
  const TrainOptions options{recipe, fmt::format("{}/{}-seed{}", command.out, run.network, seed), /*resume=*/true, {}};
  TrainResult result = train(options, hooks);
  line.clear();
  if (result.end == TrainEnd::kStopped) {
    say("stopped; the same command goes on");
    end_stopped();
  }
  run.history = std::move(result.history);
  return run;
}

void study(const StudyCommand& command) {
  const Recipe recipe = common_recipe(command);
  if (open_training_data(recipe.data, recipe.val, 0).val.size() == 0) {
    fail(ErrorCode::kInvalidArgument, recipe.data, "brings no test pictures: name some with --val");
  }
  catch_signals();
  std::vector<StudyRun> runs;
  for (std::int64_t seed = 0; seed < command.seeds; ++seed) {
    for (const int depth : command.depths) {
      for (const bool residual : {false, true}) runs.push_back(train_one(command, recipe, depth, residual, seed));
    }
  }
  const DegradationStudy study(std::move(runs));
  const auto write = [&](const char* name, const std::string& text) {
    AtomicFile file(command.out + "/" + name);
    file.write(text);
    file.commit();
  };
  write("plain.svg", study.to_svg(false));
  write("residual.svg", study.to_svg(true));
  write("study.html", study.to_html(to_toml(recipe)));
  write("study.json", study.to_json() + "\n");
  write("table.md", study.to_markdown());
  if (command.json) {
    fmt::print("{}\n", study.to_json());
    return;
  }
  fmt::print("\n{}\n", study.to_markdown());
  for (const std::string& sentence : study.findings()) fmt::print("{}\n", sentence);
  fmt::print("page: {0}/study.html\npictures: {0}/plain.svg {0}/residual.svg\n", command.out);
}

}  // namespace

void add_study(CLI::App& app) {
  CLI::App* sub =
      app.add_subcommand("study", "Repeat an experiment of the paper: plain and residual networks of growing depth");
  auto command = std::make_shared<StudyCommand>();
  sub->add_option("kind", command->kind,
                  "degradation: training and test error of each depth, without shortcuts and with")
      ->required()
      ->check(CLI::IsMember({"degradation"}));
  sub->add_option("--data", command->data, "Pictures, as `resnet train` takes them")->required();
  sub->add_option("--val", command->val, "Test pictures, where the data do not bring them");
  sub->add_option("--depths", command->depths, "Of the networks for CIFAR: 20, 32, 44, 56, 110")
      ->delimiter(',')
      ->check(CLI::IsMember({20, 32, 44, 56, 110}))
      ->capture_default_str();
  sub->add_option("--epochs", command->epochs, "Passes over the data")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  sub->add_option("--seeds", command->seeds, "Networks of each kind, from other first weights and orders")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  sub->add_option("--recipe", command->recipe, "TOML file instead of the paper's recipe, as `resnet train` takes it")
      ->check(CLI::ExistingFile);
  sub->add_option("-o,--out", command->out, "Folder of the study; what is finished there is not done again")
      ->capture_default_str();
  sub->add_flag("--json", command->json, "Print the results as JSON");
  sub->footer(
      "Started again, it goes on where it was. docs/degradation.md says what came of it.\n"
      "Examples:\n"
      "  resnet study degradation --data cifar10-jpeg.tar.gz\n"
      "  resnet study degradation --data cifar10-jpeg.tar.gz --depths 20,32,44,56 --epochs 15 --seeds 3 --out study\n"
      "  resnet study degradation --data shapes --depths 20 --epochs 2 --json");
  sub->callback([command] { study(*command); });
}

}  // namespace resnet::cli
