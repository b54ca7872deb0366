// Reads the items of a source on several threads and hands out the results in the order of the source.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "dataset/dataset.h"
#include "dataset/ordered_work.h"
#include "resnet/error.h"

namespace resnet {

template <typename T>
class ParallelReader {
 public:
  struct Result {
    std::string path;
    std::string label;
    std::optional<T> value;      // absent where the item is bad
    std::optional<Error> error;  // and then this says why
  };

  // `read` makes a value of an item, on any of the threads; a resnet::Error it throws belongs to that item alone.
  // `source` must outlive the reader and is used by nobody else meanwhile. At most `window` results wait.
  ParallelReader(Source& source, std::function<T(Item)> read, int threads, std::size_t window)
      : work_([&source] { return source.next(); },
              [read = std::move(read)](Item item) { return make_result(read, std::move(item)); }, threads, window) {}

  // The next result, or nothing at the end. What the source throws comes out here, after the items before it. For one
  // thread.
  std::optional<Result> next() { return work_.next(); }

 private:
  static Result make_result(const std::function<T(Item)>& read, Item item) {
    Result result{item.path, item.label, {}, {}};
    try {
      result.value = read(std::move(item));
    } catch (const Error& error) {
      result.error = error;
    }
    return result;
  }

  OrderedWork<Item, Result> work_;
};

}  // namespace resnet
