// resnet train: a flag for each key of a recipe, and what people see of a run.
#include "train/program/train_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "base/text.h"
#include "cli/command.h"
#include "cli/option_words.h"
#include "cli/signals.h"
#include "console/json.h"
#include "console/numbers.h"
#include "console/output.h"
#include "journal/history.h"
#include "recipe/keys.h"
#include "train/program/console.h"
#include "train/program/launcher.h"

namespace resnet::cli {
namespace {

struct TrainCommand {
  std::string recipe;
  std::string out;
  bool resume = false;
  bool json = false;
  int processes = 0;  // to start; 0: this one is what was started
  double timeout = 300;
  std::map<const Key*, std::string> flags;  // as they were given
  std::vector<std::pair<const Key*, Option*>> options;
};

// The recipe of the run that is there, of the file, of the flags: later ones win.
Recipe assemble(const TrainCommand& command) {
  Recipe recipe;
  const std::string begun = command.out + "/recipe.toml";
  std::error_code ignored;
  if (command.resume && std::filesystem::exists(begun, ignored)) recipe = read_recipe(begun);
  if (!command.recipe.empty()) recipe = read_recipe(command.recipe, recipe);
  for (const auto& [key, option] : command.options) {
    if (option->count() > 0) set_from_text(recipe, *key, command.flags.at(key), flag_of(*key));
  }
  return recipe;
}

// What suits data and machine is chosen of the keys that nobody said.
std::vector<std::string> open_keys(const Recipe& recipe) {
  std::vector<std::string> open;
  for (const char* key : {"batch", "lr", "epochs"}) {
    if (!recipe.places.contains(key)) open.emplace_back(key);
  }
  return open;
}

void print_plan(const std::vector<PlanLine>& plan) {
  std::size_t width = 0;
  for (const PlanLine& line : plan) width = std::max(width, line.what.size());
  for (const PlanLine& line : plan) fmt::print("{:{}}  {}\n", line.what, width, line.text);
  fmt::print("\n");
  std::fflush(stdout);
}

void print_epoch(const EpochRecord& r, std::int64_t epochs) {
  fmt::print("epoch {}/{}  lr {:.4g}  loss {:.4f}  top-1 {:.2f} %", r.epoch, epochs, r.lr, r.train_loss,
             100 * r.train_top1);
  if (!std::isnan(r.val_top1)) fmt::print("  val loss {:.4f}  val top-1 {:.2f} %", r.val_loss, 100 * r.val_top1);
  if (!std::isnan(r.ema_top1)) fmt::print("  averaged {:.2f} %", 100 * r.ema_top1);
  fmt::print("  {:.1f} pictures/s  {}\n", r.images_per_second, duration(r.seconds));
}

void print_result(const TrainCommand& command, const TrainResult& result) {
  constexpr const char* kEnds[] = {"finished", "early", "stopped"};
  const char* end = kEnds[static_cast<int>(result.end)];
  if (command.json) {
    const JsonObject json = {{"end", end},
                             {"best_epoch", result.best_epoch},
                             {"best_top1", result.best_top1},
                             {"best_is_ema", result.best_is_ema},
                             {"best", result.best_path},
                             {"checkpoint", result.checkpoint_path}};
    fmt::print("{}\n", json.text());
    return;
  }
  if (result.end == TrainEnd::kEarly) fmt::print("no better for long enough: training ends early\n");
  if (!std::isnan(result.best_top1)) {
    fmt::print("best: {:.2f} % top-1 after epoch {}{}\n", 100 * result.best_top1, result.best_epoch,
               result.best_is_ema ? ", averaged weights" : "");
  }
  fmt::print("model: {}\nreport: {}/report.html\n", printable(result.best_path), printable(command.out));
}

// Those that most runs say.
bool is_common(const Key& key) {
  constexpr std::string_view kCommon[] = {"data", "val", "arch", "from", "epochs", "batch", "lr", "threads"};
  return std::find(std::begin(kCommon), std::end(kCommon), key.name) != std::end(kCommon);
}

// What is taken where nobody says it, for --help; empty where nothing is.
std::string default_words(const Key& key) {
  if (key.name == "batch") return "128 or fewer, to suit the pictures";
  if (key.name == "lr") return "0.1, with --from 0.04; less for batches below 128";
  if (key.name == "epochs") return "what ends within an hour";
  const std::string value = toml_value(Recipe(), key);
  return value == "\"\"" || value == "[]" ? "" : value;
}

// What a key's value is called in --help.
std::string value_words(const Key& key) {
  if (key.name == "data" || key.name == "val") return "DATA";
  if (key.name == "from") return "MODEL";
  if (key.name == "arch") return "NETWORK";
  if (is_switch(key)) return "true|false";
  return std::visit(
      [](const auto& value) -> std::string {
        using Value = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<Value, std::string>) return "NAME";
        if constexpr (std::is_same_v<Value, std::int64_t>) return "N";
        return std::is_same_v<Value, double> ? "NUMBER" : "LIST";
      },
      value_of(Recipe(), key));
}

// The program's own arguments without the one that starts several processes.
std::vector<std::string> arguments_of_one() {
  std::vector<std::string> result;
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  for (std::string argument; std::getline(file, argument, '\0');) {
    if (argument == "--nproc") {
      std::getline(file, argument, '\0');
    } else if (!argument.starts_with("--nproc=")) {
      result.push_back(argument);
    }
  }
  return result;
}

void train_in_processes(const TrainCommand& command) {
  if (worker_from_environment().world_size > 1) {
    throw Usage("--nproc: this is one process of several already, by its environment");
  }
  validate(assemble(command));  // said once, not by each of them
  const int status = run_processes(command.processes, arguments_of_one());
  if (status == 0) return;
  flush_output();
  std::_Exit(status);
}

void train_network(TrainCommand& command) {
  if (command.processes > 0) return train_in_processes(command);
  TrainOptions options{assemble(command), command.out, command.resume, worker_from_environment()};
  options.open = open_keys(options.recipe);
  options.worker.timeout_seconds = command.timeout;
  const bool first = options.worker.rank == 0;
  if (options.worker.world_size > 1) std::signal(SIGPIPE, SIG_IGN);  // a connection's end is an error, not this one's
  catch_signals();
  if (first) say_when_stopped();
  ProgressLine line;
  TrainHooks hooks;
  std::int64_t epochs = options.recipe.epochs;  // or those that are chosen
  if (first) {
    hooks.begin = [&](const std::vector<PlanLine>& plan) {
      line.clear();
      if (!command.json) print_plan(plan);
    };
    hooks.look = [&](std::int64_t seen, std::int64_t pictures) { line.show_look(seen, pictures); };
    hooks.step = [&](const StepProgress& progress) {
      epochs = progress.epochs;
      line.show(progress);
    };
    hooks.epoch = [&](const EpochRecord& record) {
      line.clear();
      command.json ? fmt::print("{}\n", to_json(record).text()) : print_epoch(record, epochs);
      std::fflush(stdout);
    };
  }
  hooks.notice = [&](const std::string& text) {
    line.clear();
    say(text);
  };
  hooks.stop = [] { return stop_signal() != 0; };
  const TrainResult result = train(options, hooks);
  line.clear();
  if (result.end != TrainEnd::kStopped) {
    if (first) print_result(command, result);
    return;
  }
  if (first) say(fmt::format("stopped; {} holds everything, --resume goes on", result.checkpoint_path));
  end_stopped();
}

}  // namespace

void add_trainer(Command& app) {
  Command* sub = app.add_subcommand("train", "Train a network, fine-tune one, resume a run");
  auto command = std::make_shared<TrainCommand>();
  sub->add_option("-o,--out", command->out, "Folder of the run: model, checkpoints, metrics, report")
      ->type_name("FOLDER")
      ->required();
  sub->add_option("--recipe", command->recipe, "TOML file with any of the keys of --help-all")
      ->type_name("FILE")
      ->check(kExistingFile);
  sub->add_flag("--resume", command->resume, "Go on with the run in --out; begin where there is none yet");
  sub->add_flag("--json", command->json, "Print JSON: a line an epoch, and one at the end")->group(kMoreOptions);
  sub->add_option("--nproc", command->processes,
                  "Train in so many processes on this machine; for several machines docs/scaling.md")
      ->check(Range(1, 1024))
      ->group(kMoreOptions);
  sub->add_option("--timeout", command->timeout, "Longest wait of a process for another, in seconds")
      ->check(Range(1.0, 1e6))
      ->capture_default_str()
      ->group(kMoreOptions);
  for (const Key& key : recipe_keys()) {
    std::string& text = command->flags[&key];
    const std::string value = default_words(key);
    Option* option = sub->add_option(flag_of(key), text,
                                     value.empty() ? std::string(key.help) : fmt::format("{} [{}]", key.help, value));
    if (!is_common(key)) option->group(std::string(key.group));
    option->type_name(value_words(key))->take_last();  // scripts add to what they always say
    if (is_switch(key)) option->expected(0, 1)->default_str("true");
    command->options.emplace_back(&key, option);
  }
  sub->footer(
      "Every flag is a key of the recipe as well: --weight-decay 1e-4 is weight_decay = 1e-4. Flags win over the "
      "file.\n"
      "Examples:\n"
      "  resnet train --data photos --val 0.1 -o run\n"
      "  resnet train --from model.safetensors --data photos --val 0.2 -o run\n"
      "  resnet train --recipe recipe.toml --data photos -o run --resume");
  sub->callback([command] { train_network(*command); });
}

}  // namespace resnet::cli
