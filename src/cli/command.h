// How a command of `resnet` is made: a function that adds it, with its options and what it does, to the application.
//
// A command parses, calls a library and prints. It throws resnet::Error for what is wrong with its input (main prints
// one line, exit status 1) and Usage for arguments that make no sense together (exit status 2).
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

namespace resnet::cli {

// Wrong usage: found before any work begins.
class Usage : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Larger ones are refused: CLI11 takes what no number can hold for the largest number.
inline constexpr std::uint64_t kMaxSeed = std::uint64_t{1} << 53;

// Throws resnet::Error where no file can be written under this name: before the work, not after it.
void check_writable(const std::string& path);

void add_reference(CLI::App& app);
void add_summary(CLI::App& app);
void add_draw(CLI::App& app);
void add_init(CLI::App& app);
void add_inspect(CLI::App& app);
void add_convert(CLI::App& app);
void add_export(CLI::App& app);
void add_preprocess(CLI::App& app);
void add_predict(CLI::App& app);
void add_eval(CLI::App& app);
void add_compare(CLI::App& app);
void add_explain(CLI::App& app);
void add_features(CLI::App& app);
void add_similar(CLI::App& app);
void add_bench(CLI::App& app);
void add_make_dataset(CLI::App& app);
void add_quantize(CLI::App& app);
void add_train(CLI::App& app);

}  // namespace resnet::cli
