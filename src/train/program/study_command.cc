// resnet study degradation: trains plain and residual networks of several depths with one recipe, and shows what depth
// does to either.
#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "arch/describe.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/signals.h"
#include "console/numbers.h"
#include "console/output.h"
#include "dataset/image_set.h"
#include "journal/degradation.h"
#include "resnet/graph.h"
#include "train/program/console.h"
#include "train/program/study_budget.h"
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
  recipe.preset = Preset::kCifar;
  recipe.resize = 32;  // pictures of another size than CIFAR's
  recipe.mean = {0.4914, 0.4822, 0.4465};
  recipe.std = {0.2470, 0.2435, 0.2616};
  recipe.crop = Recipe::Crop::kPadded;
  recipe.batch = 128;
  recipe.lr = 0.1;
  recipe.nesterov = false;
  recipe.weight_decay = 1e-4;
  recipe.decay_all = true;
  recipe.schedule = Recipe::Schedule::kConstant;
  if (epochs >= 4) {
    recipe.schedule = Recipe::Schedule::kStep;
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

// In the order in which they are trained.
std::vector<StudyRun> plan(const StudyCommand& command) {
  std::vector<StudyRun> runs;
  for (std::int64_t seed = 0; seed < command.seeds; ++seed) {
    for (const int depth : command.depths) {
      for (const bool residual : {false, true}) {
        runs.push_back({fmt::format("{}{}", residual ? "resnet" : "plain", depth), residual, depth, seed, {}});
      }
    }
  }
  return runs;
}

std::string folder_of(const StudyCommand& command, const StudyRun& run) {
  return fmt::format("{}/{}-seed{}", command.out, run.network, run.seed);
}

// By the lines of its metrics.
std::int64_t epochs_done(const std::string& folder) {
  std::ifstream file(folder + "/metrics.csv");
  std::int64_t lines = 0;
  for (std::string line; std::getline(file, line);) ++lines;
  return std::max<std::int64_t>(lines - 1, 0);
}

// Networks grow alike with the size of the pictures, so that the usual one tells them apart.
StudyBudget make_budget(const StudyCommand& command, const std::vector<StudyRun>& runs) {
  StudyBudget budget;
  for (const StudyRun& run : runs) {
    const Graph graph = expand(find_architecture(run.network));
    const std::int64_t left = command.epochs - epochs_done(folder_of(command, run));
    budget.add(total_macs(graph, infer_shapes(graph, usual_input(graph.architecture))),
               std::max<std::int64_t>(left, 0));
  }
  return budget;
}

// What is to be done, and that there are pictures to do it with. Gives the number of their classes.
int begin(const StudyCommand& command, const Recipe& recipe, const std::vector<StudyRun>& runs) {
  const TrainingData data = open_training_data(recipe.data, recipe.val, 0);
  if (data.val.size() == 0) {
    fail(ErrorCode::kInvalidArgument, recipe.data, "brings no test pictures: name some with --val");
  }
  const int classes = static_cast<int>(data.train.classes().size());
  if (command.json) return classes;
  std::vector<std::string> networks;
  for (const StudyRun& run : runs) {
    if (run.seed == 0) networks.push_back(run.network);
  }
  fmt::print("networks {}  epochs {}  seeds {}  pictures {} to learn from, {} to test with\n", fmt::join(networks, " "),
             command.epochs, command.seeds, grouped(static_cast<std::int64_t>(data.train.size())),
             grouped(static_cast<std::int64_t>(data.val.size())));
  std::fflush(stdout);
  return classes;
}

// Fills the run's history in; it is the one of this number in the budget.
void train_one(const StudyCommand& command, Recipe recipe, StudyRun& run, std::size_t number, StudyBudget& budget) {
  recipe.arch = run.network;
  recipe.seed = run.seed;
  const std::string title = fmt::format("{} seed {}  ", run.network, run.seed);
  ProgressLine line;
  line.set_title(title);
  TrainHooks hooks;
  hooks.step = [&](const StepProgress& progress) { line.show(progress); };
  hooks.epoch = [&](const EpochRecord& r) {
    line.clear();
    budget.finish_epoch(number, r.seconds, recipe.epochs - r.epoch);
    if (command.json) return;
    fmt::print("{}epoch {}/{}  training error {:.2f} %  test error {:.2f} %  {:.1f} pictures/s  {}  study {} left\n",
               title, r.epoch, recipe.epochs, 100 * (1 - r.train_top1), 100 * (1 - r.val_top1), r.images_per_second,
               duration(r.seconds), duration(budget.seconds_left()));
    std::fflush(stdout);
  };
  hooks.notice = [&](const std::string& text) {
    line.clear();
    say(title + text);
  };
  hooks.stop = [] { return stop_signal() != 0; };
  const TrainOptions options{recipe, folder_of(command, run), /*resume=*/true, {}};
  TrainResult result = train(options, hooks);
  line.clear();
  if (result.end == TrainEnd::kStopped) {
    say("stopped; the same command goes on");
    end_stopped();
  }
  budget.finish(number);
  run.history = std::move(result.history);
}

void study(const StudyCommand& command) {
  const Recipe recipe = common_recipe(command);
  std::vector<StudyRun> runs = plan(command);
  const int classes = begin(command, recipe, runs);
  catch_signals();
  say_when_stopped();
  StudyBudget budget = make_budget(command, runs);
  for (std::size_t i = 0; i < runs.size(); ++i) train_one(command, recipe, runs[i], i, budget);
  const DegradationStudy study(std::move(runs), classes);
  const auto write = [&](const char* name, const std::string& text) {
    AtomicFile file(command.out + "/" + name);
    file.write(text);
    file.commit();
  };
  write("plain.svg", study.to_svg(false));
  write("residual.svg", study.to_svg(true));
  write("study.html", study.to_html(to_toml(recipe)));
  write("study.json", study.to_json().text() + "\n");
  write("table.md", study.to_markdown());
  if (command.json) {
    fmt::print("{}\n", study.to_json().text());
    return;
  }
  fmt::print("\n{}\n", study.to_markdown());
  for (const std::string& sentence : study.findings()) fmt::print("{}\n", sentence);
  fmt::print("page: {0}/study.html\npictures: {0}/plain.svg {0}/residual.svg\n", printable(command.out));
}

}  // namespace

void add_study(Command& app) {
  Command* sub = app.add_subcommand("study", "Repeat the paper's experiment on depth");
  auto command = std::make_shared<StudyCommand>();
  sub->add_option("KIND", command->kind,
                  "degradation: training and test error of each depth, without shortcuts and with")
      ->required()
      ->check(IsMember({"degradation"}));
  sub->add_option("--data", command->data, "Pictures, as `resnet train` takes them")->type_name("DATA")->required();
  sub->add_option("--val", command->val, "Test pictures, where the data do not bring them")->type_name("DATA");
  sub->add_option("--depths", command->depths, "Of the networks for CIFAR: 20, 32, 44, 56, 110")
      ->delimiter(',')
      ->check(IsMember({20, 32, 44, 56, 110}))
      ->capture_default_str();
  sub->add_option("--epochs", command->epochs, "Passes over the data")->check(Range(1, 100000))->capture_default_str();
  sub->add_option("--seeds", command->seeds, "Networks of each kind, from other first weights and orders")
      ->check(Range(1, 100))
      ->capture_default_str();
  sub->add_option("--recipe", command->recipe, "TOML file instead of the paper's recipe, as `resnet train` takes it")
      ->type_name("FILE")
      ->check(kExistingFile);
  sub->add_option("-o,--out", command->out, "Folder of the study; what is finished there is not done again")
      ->type_name("FOLDER")
      ->capture_default_str();
  sub->add_flag("--json", command->json, "Print the results as JSON");
  sub->footer(
      "Started again, it goes on where it was. docs/degradation.md says what came of it.\n"
      "Examples:\n"
      "  resnet study degradation --data cifar10-jpeg.tar.gz\n"
      "  resnet study degradation --data cifar10 --depths 20,32,44,56 --seeds 3\n"
      "  resnet study degradation --data shapes --depths 20 --epochs 2 --json");
  sub->callback([command] { study(*command); });
}

}  // namespace resnet::cli
