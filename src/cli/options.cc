#include "cli/options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <type_traits>

#include "base/text.h"
#include "cli/help.h"

namespace resnet::cli {
namespace {

// `members` or a range of CLI11's, which --help describes, in words of ours: its own take what is no number for one of
// the range, and may say nothing but the value.
CLI::Validator in_our_words(const CLI::Validator& check, const std::string& expected) {
  CLI::Validator ours = check;
  ours.operation([check, expected](const std::string& text) -> std::string {
    try {
      if (check(text).empty() && !std::isnan(std::strtod(text.c_str(), nullptr))) return "";
    } catch (const CLI::ParseError&) {
    }
    return fmt::format("'{}' is not {}", one_line(text), expected);
  });
  return ours;
}

// What stands for a value in --help where an option does not say it.
template <typename T>
const char* usual_value_name(const T*) {
  if constexpr (std::is_same_v<T, double>) return "NUMBER";
  if constexpr (std::is_same_v<T, std::vector<int>> || std::is_same_v<T, std::vector<float>>) return "LIST";
  constexpr bool kText = std::is_same_v<T, std::string> || std::is_same_v<T, std::optional<std::string>> ||
                         std::is_same_v<T, std::vector<std::string>>;
  return kText ? "NAME" : "N";
}

}  // namespace

std::size_t Option::count() const { return option_->count(); }
std::string Option::get_name() const { return option_->get_name(); }

Option* Option::required() {
  option_->required();
  return this;
}

Option* Option::excludes(const Option* other) {
  option_->excludes(other->option_);
  return this;
}

Option* Option::check(const Range& range) {
  std::visit(
      [this](const auto& limits) {
        const auto [low, high] = limits;
        option_->check(in_our_words(CLI::Range(low, high), fmt::format("a number from {} to {}", low, high)));
      },
      range.limits);
  return this;
}

Option* Option::check(const IsMember& members) {
  std::visit(
      [this](const auto& values) {
        option_->check(in_our_words(CLI::IsMember(values), fmt::format("one of {}", fmt::join(values, ", "))));
      },
      members.values);
  return this;
}

Option* Option::check(ExistingFileCheck) {
  option_->check(CLI::ExistingFile);
  return this;
}

Option* Option::delimiter(char parts) {
  option_->delimiter(parts);
  return this;
}

Option* Option::allow_extra_args(bool allowed) {
  option_->allow_extra_args(allowed);
  return this;
}

Option* Option::expected(int low, int high) {
  option_->expected(low, high);
  return this;
}

Option* Option::take_last() {
  option_->take_last();
  return this;
}

Option* Option::group(const std::string& heading) {
  option_->group(heading);
  return this;
}

Option* Option::type_name(const std::string& name) {
  option_->type_name(name);
  return this;
}

Option* Option::default_str(const std::string& text) {
  option_->default_str(text);
  return this;
}

Option* Option::capture_default_str() {
  option_->capture_default_str();
  return this;
}

Command::Command(const std::string& description, const std::string& name)
    : program_(std::make_unique<CLI::App>(description, name)), app_(program_.get()) {
  app_->formatter_fn([](const CLI::App* app, const std::string&, CLI::AppFormatMode mode) {
    return help(*app, mode == CLI::AppFormatMode::All);
  });
  app_->set_help_flag("-h,--help", "Print the most common options and examples");
  app_->set_help_all_flag("--help-all", "Print every option");
}

Command::Command(CLI::App* app) : app_(app) {}

Command::~Command() = default;

Command* Command::add_subcommand(const std::string& name, const std::string& description) {
  subcommands_.push_back(std::unique_ptr<Command>(new Command(app_->add_subcommand(name, description))));
  if (!heading_.empty()) subcommands_.back()->group(heading_);
  return subcommands_.back().get();
}

Option* Command::add_option(const std::string& names, Target value, const std::string& help) {
  const auto add = [&](auto* target) {
    return app_->add_option(names, *target, help)->type_name(usual_value_name(target));
  };
  return &options_.emplace_back(std::visit(add, value));
}

Option* Command::add_option_function(const std::string& names, std::function<void(const std::string&)> take,
                                     const std::string& help) {
  return &options_.emplace_back(app_->add_option_function<std::string>(names, std::move(take), help));
}

Option* Command::add_flag(const std::string& names, bool& value, const std::string& help) {
  return &options_.emplace_back(app_->add_flag(names, value, help));
}

void Command::heading(const std::string& text) { heading_ = text; }
void Command::footer(const std::string& text) { app_->footer(text); }
void Command::group(const std::string& heading) { app_->group(heading); }
void Command::callback(std::function<void()> run) { app_->callback(std::move(run)); }
void Command::require_subcommand() { app_->require_subcommand(1); }

void Command::set_version_flag(const std::string& names, const std::string& version) {
  app_->set_version_flag(names, version);
}

void Command::pass_arguments_on() {
  app_->prefix_command();
  app_->set_help_flag();
  app_->set_help_all_flag();
}

std::vector<std::string> Command::remaining() const { return app_->remaining(); }

}  // namespace resnet::cli
