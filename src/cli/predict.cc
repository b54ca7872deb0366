// resnet predict: the most probable classes of pictures.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "cli/classifier_options.h"
#include "cli/predict_output.h"
#include "cli/progress.h"
#include "evaluate/picture.h"
#include "image/npy.h"

namespace resnet::cli {
namespace {

constexpr int kBatch = 8;  // pictures of one size that run through the network together

struct Options {
  ClassifierOptions classifier;
  std::vector<std::string> inputs;
  int top = 5;
  bool csv = false;
  bool json = false;
  bool logits = false;
};

bool is_input(const std::string& path) { return looks_like_image(path) || path.ends_with(".npy"); }

// Directories are opened; everything named must be there before work begins.
std::vector<std::string> list_inputs(const std::vector<std::string>& arguments) {
  std::vector<std::string> files;
  for (const std::string& argument : arguments) {
    if (argument == "-") {
      files.push_back(argument);
    } else if (std::filesystem::is_directory(argument)) {
      const std::vector<std::string> found = list_files(argument, is_input);
      if (found.empty()) fail(ErrorCode::kNotFound, argument, "there are no pictures in this directory");
      files.insert(files.end(), found.begin(), found.end());
    } else {
      if (!std::filesystem::exists(argument)) fail(ErrorCode::kNotFound, argument, "there is no such file");
      files.push_back(argument);
    }
  }
  return files;
}

class FileSource : public Source {
 public:
  explicit FileSource(const std::vector<std::string>& files) : files_(files) {}
  std::optional<Item> next() override {
    if (next_ == files_.size()) return std::nullopt;
    return Item{files_[next_++], "", {}};
  }

 private:
  const std::vector<std::string>& files_;
  std::size_t next_ = 0;
};

// Reads what the source names, classifies in batches, prints in order.
class Predictor {
 public:
  Predictor(const Options& options, const Classifier& classifier, std::size_t files)
      : options_(options),
        classifier_(classifier),
        files_(files),
        format_(options.json  ? PredictFormat::kJson
                : options.csv ? PredictFormat::kCsv
                              : PredictFormat::kPlain),
        progress_("pictures", ::isatty(STDOUT_FILENO) ? std::nullopt : std::optional(files)) {}

 private:
  const Options& options_;
  const Classifier& classifier_;
  std::size_t files_;
  PredictFormat format_;
  Progress progress_;
};

}  // namespace
}  // namespace resnet::cli
