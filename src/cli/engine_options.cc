#include "cli/engine_options.h"

#include <atomic>
#include <map>
#include <memory>

#include "cli/option_words.h"
#include "console/output.h"

namespace resnet::cli {

void add_algorithm_options(Command& command, EngineOptions& options) {
  static const std::map<std::string, Algorithms> kNames = {
      {"auto", Algorithms::kAuto}, {"direct", Algorithms::kDirect}, {"winograd", Algorithms::kWinograd}};
  command
      .add_option_function(
          "--algorithms", [&options](const std::string& name) { options.algorithms = kNames.at(name); },
          "How to compute convolutions: auto (whichever is fastest), direct, or winograd (wherever it can run)")
      ->check(IsMember({"auto", "direct", "winograd"}))
      ->type_name("NAME")
      ->default_str("auto")
      ->group(kMoreOptions);
  command
      .add_flag("--tune", options.tune,
                "Choose by measuring every algorithm, once for this processor and size; results are kept in the "
                "user's cache directory")
      ->group(kMoreOptions);
  // Once, however many engines a command makes.
  options.notice = [said = std::make_shared<std::atomic_flag>()](const std::string& text) {
    if (!said->test_and_set()) say(text);
  };
}

Option* add_streams_option(Command& command, EngineOptions& options) {
  return command
      .add_option("--streams", options.streams,
                  "Parts into which a batch is cut, computed side by side on the threads divided by their number")
      ->capture_default_str()
      ->check(Range(1, 1024))
      ->group(kMoreOptions);
}

}  // namespace resnet::cli
