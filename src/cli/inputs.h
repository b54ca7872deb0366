// The pictures that a command was given: files, arrays, directories, standard input.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/thread_pool.h"
#include "console/output.h"
#include "console/progress.h"
#include "dataset/dataset.h"
#include "dataset/parallel_reader.h"
#include "resnet/image.h"

namespace resnet::cli {

// What help says of them.
inline constexpr const char* kInputsHelp =
    "JPEG, PNG or WebP files, folders, archives of them; - is standard input. Also .npy arrays (NxCxHxW float32, "
    "already preprocessed) and CIFAR's files";

// What was named, directories and archives opened.
struct Inputs {
  std::vector<std::string> files;
  std::map<std::size_t, Dataset> sets;  // of those of the files that hold many pictures
  std::int64_t bad = 0;  // arguments, and folders below them, that could not be read; each has been said on stderr

  std::size_t pictures() const;
  std::size_t count() const { return pictures() + static_cast<std::size_t>(bad); }
};

// An argument that is not there or cannot be listed is reported, and the others are taken; the error of an only one is
// thrown. Pipes, devices and sockets in directories are passed over, which is said. Throws Usage where standard input
// is named twice.
Inputs list_inputs(const std::vector<std::string>& arguments);

// Says on stderr that a pipe or device is left out.
void say_passed_over(const Error& problem);

// Says on stderr, once a kind for the whole run, what was done to a picture that torchvision does not do. For the main
// thread.
void say_notes(const std::string& path, const PictureNotes& notes);

class InputSource : public Source {
 public:
  explicit InputSource(const Inputs& inputs) : inputs_(inputs) {}

  // Pictures of a set that can no longer be read are one item with an error.
  std::optional<Item> next() override;

 private:
  const Inputs& inputs_;
  std::size_t next_ = 0;         // of the files
  std::unique_ptr<Source> set_;  // that the file before holds
};

// Gives the item "-" the bytes of standard input.
void read_standard_input(Item& item);

// What the network answered for the pictures: whether it may be shown.
class AnswerCheck {
 public:
  AnswerCheck(bool allow_nonfinite, std::size_t inputs) : allow_(allow_nonfinite), alone_(inputs == 1) {}

  // False, and that is said, where some of the values that were computed for a picture are not finite. The error is
  // thrown where there is one input alone.
  bool take(std::span<const float> values, const std::string& path);

  // Fails with "3 answers are not finite" where some were not.
  void finish() const;

 private:
  bool allow_, alone_;
  std::int64_t bad_ = 0;
};

// Fails with "3 of 10 inputs could not be read" where some could not.
void fail_if_bad(std::int64_t bad, std::size_t inputs);

// Reads files on all processors and gives each to take(path, value), in their order. One that cannot be read is
// reported and the others go on; the error of an only input is thrown. Returns how many were bad, those of the listing
// included.
template <typename T, typename Take>
std::int64_t read_inputs(const Inputs& inputs, std::function<T(Item)> read, int ahead, bool show_progress, Take take) {
  InputSource source(inputs);
  if (inputs.count() == 1 && inputs.bad == 0) {
    Item item = *source.next();
    read_standard_input(item);
    const std::string path = item.path;
    take(path, read(std::move(item)));
    return 0;
  }
  const auto read_any = [&read](Item item) {
    read_standard_input(item);
    return read(std::move(item));
  };
  ParallelReader<T> reader(source, read_any, available_processors(),
                           static_cast<std::size_t>(ahead + available_processors()));
  Progress progress("pictures", inputs.pictures());
  std::int64_t seen = 0;
  std::int64_t bad = inputs.bad;
  while (auto item = reader.next()) {
    if (item->value) take(item->path, std::move(*item->value));
    if (item->error) {
      ++bad;
      progress.clear();
      say(item->error->what());
    }
    if (show_progress) progress.update(++seen);
  }
  return bad;
}

}  // namespace resnet::cli
