// The commands of a program and their options, as commands describe them. CLI11, which parses them, stands behind
// options.cc: its headers take longer to compile than a command does.
//
//   Command* sub = program.add_subcommand("draw", "Draw a network as SVG");
//   sub->add_option("-o,--out", output, "The .svg file to write")->type_name("FILE")->required();
//   sub->callback([&] { draw(output); });
//
// Functions are named and behave as in CLI11. An option's first short and first long name are shown; what stands under
// a heading (group) is shown by --help-all alone, and --help shows the first clause of a description, up to "; " or ".
// ". What an option writes to must live as long as the program's Command, which owns all that is added to it.
#pragma once

#include <concepts>
#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace resnet::cli {

// What check() takes. The limits of a range are numbers of one type, which --help names.
struct Range {
  template <typename T>
  Range(T low, T high) : limits(std::pair(low, high)) {}
  std::variant<std::pair<int, int>, std::pair<std::int64_t, std::int64_t>, std::pair<std::uint64_t, std::uint64_t>,
               std::pair<double, double>>
      limits;
};
struct IsMember {
  IsMember(std::initializer_list<const char*> values)
      : values(std::vector<std::string>(values.begin(), values.end())) {}
  IsMember(std::initializer_list<int> values) : values(std::vector<int>(values)) {}
  std::variant<std::vector<std::string>, std::vector<int>> values;
};
inline constexpr struct ExistingFileCheck {
} kExistingFile;

class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}

  std::size_t count() const;  // of the times it was given
  std::string get_name() const;

  Option* required();
  Option* excludes(const Option* other);
  Option* check(const Range& range);
  Option* check(const IsMember& members);
  Option* check(ExistingFileCheck file);
  Option* delimiter(char parts);
  Option* allow_extra_args(bool allowed);
  Option* expected(int low, int high);
  Option* take_last();
  Option* group(const std::string& heading);
  Option* type_name(const std::string& name);
  Option* default_str(const std::string& text);
  Option* capture_default_str();

 private:
  CLI::Option* option_;
};

class Command {
 public:
  // The program itself.
  Command(const std::string& description, const std::string& name);
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;
  ~Command();

  Command* add_subcommand(const std::string& name, const std::string& description);

  using Target =
      std::variant<std::string*, std::optional<std::string>*, bool*, int*, std::optional<int>*, std::int64_t*,
                   std::uint64_t*, double*, std::vector<int>*, std::vector<float>*, std::vector<std::string>*>;
  Option* add_option(const std::string& names, Target value, const std::string& help);
  template <typename T>
  requires std::constructible_from<Target, T*> Option* add_option(const std::string& names, T& value,
                                                                  const std::string& help) {
    return add_option(names, Target(&value), help);
  }
  Option* add_option_function(const std::string& names, std::function<void(const std::string&)> take,
                              const std::string& help);
  Option* add_flag(const std::string& names, bool& value, const std::string& help);

  void heading(const std::string& text);   // of the commands that are added from now on, in the program's --help
  void footer(const std::string& text);    // notes, then "Examples:" and a line each
  void group(const std::string& heading);  // "" hides it from --help
  void callback(std::function<void()> run);
  void require_subcommand();
  void set_version_flag(const std::string& names, const std::string& version);

  // Every argument is another program's, also --help.
  void pass_arguments_on();
  std::vector<std::string> remaining() const;

  // For what walks over all options.
  CLI::App& parser() const { return *app_; }

 private:
  explicit Command(CLI::App* app);

  std::unique_ptr<CLI::App> program_;  // of the program itself
  CLI::App* app_;
  std::string heading_;
  std::deque<std::unique_ptr<Command>> subcommands_;
  std::deque<Option> options_;
};

}  // namespace resnet::cli
