// How an option is written for people, in --help, on man pages and in what shells complete: one spelling of its name,
// what its value is called, which values there are.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace resnet::cli {

// The heading of options that every command has but few people need.
inline constexpr const char* kMoreOptions = "Further options";

// "-o" and "--out": the first short and the first long name. Later ones are taken, and shown nowhere.
std::vector<std::string> shown_names(const CLI::Option& option);

// Of those a command shows, in their order; shells complete them.
std::vector<std::string> shown_option_names(const CLI::App& app);

// "fp32", "bf16", ... where there is a set of them; else empty.
std::vector<std::string> allowed_values(const CLI::Option& option);

// "FILE", "N", "fp32|bf16"; empty of a switch.
std::string value_name(const CLI::Option& option);

// "-o, --out FILE"; of a positional argument "PICTURES...".
std::string entry_name(const CLI::Option& option);

// What its description says first, up to "; " or ". ".
std::string first_clause(const CLI::Option& option);

// What it is where nobody says it; "" of what has no usual value, or says it in its description.
std::string usual_value(const CLI::Option& option);

// "resnet quantize [OPTIONS] MODEL PICTURES -o FILE": what must be said and, in brackets, what else has a place.
std::string usage(const CLI::App& app);

// The footer's two parts, without their indentation: what stands before "Examples:", and the examples.
struct Footer {
  std::vector<std::string> notes;
  std::vector<std::string> examples;
};
Footer footer_of(const CLI::App& app);

// False of commands and options that are hidden.
bool is_shown(const CLI::App& command);
bool is_shown(const CLI::Option& option);

// True of what is given by its place alone.
bool is_argument(const CLI::Option& option);

// True where the value is the name of a network.
bool takes_network(const CLI::Option& option);

// True of a command that another program carries out.
bool is_foreign(const CLI::App& command);

}  // namespace resnet::cli
