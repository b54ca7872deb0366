// How a command of `resnet` is made: a function that adds it, with its options and what it does, to the application.
//
// A command parses, calls a library and prints. It throws resnet::Error for what is wrong with its input (main prints
// one line, exit status 1) and Usage for arguments that make no sense together (exit status 2).
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "cli/options.h"

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

void add_reference(Command& app);
void add_summary(Command& app);
void add_draw(Command& app);
void add_init(Command& app);
void add_inspect(Command& app);
void add_convert(Command& app);
void add_export(Command& app);
void add_preprocess(Command& app);
void add_predict(Command& app);
void add_eval(Command& app);
void add_compare(Command& app);
void add_check(Command& app);
void add_explain(Command& app);
void add_features(Command& app);
void add_similar(Command& app);
void add_bench(Command& app);
void add_make_dataset(Command& app);
void add_quantize(Command& app);
void add_train(Command& app);
void add_serve(Command& app);

}  // namespace resnet::cli
