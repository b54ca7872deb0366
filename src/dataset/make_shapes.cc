#include <algorithm>
#include <exception>
#include <filesystem>
#include <fstream>
#include <mutex>

#include "base/error.h"
#include "base/temporary_names.h"
#include "base/thread_pool.h"
#include "dataset/shapes.h"

namespace resnet {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kShapesStream = 0x736861706573;  // "shapes": its random numbers are nobody else's
constexpr int kQuality = 92;

struct Picture {
  fs::path path;
  std::size_t shape;
  std::uint64_t seed;
};

// The pictures of a part, shared among the shapes; the first ones get what is left over.
void plan_part(const fs::path& directory, int count, std::uint64_t seed, std::uint64_t part,
               std::vector<Picture>& pictures) {
  const std::size_t shapes = shape_names().size();
  for (std::size_t shape = 0; shape < shapes; ++shape) {
    const fs::path folder = directory / shape_names()[shape];
    const std::size_t share = (static_cast<std::size_t>(count) + shapes - 1 - shape) / shapes;
    if (share > 0) fs::create_directories(folder);
    for (std::size_t i = 0; i < share; ++i) {
      pictures.push_back(
          {folder / fmt::format("{:05}.jpg", i + 1), shape, seed_of({seed, kShapesStream, part, shape, i})});
    }
  }
}

void write_picture(const Picture& picture, int size) {
  Random random(picture.seed);
  const std::vector<std::byte> bytes = encode_jpeg(draw_shape(picture.shape, size, random), kQuality);
  std::ofstream file(picture.path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) fail(ErrorCode::kIo, picture.path.string(), "cannot write");
}

void write_pictures(const std::vector<Picture>& pictures, int size, const std::function<void(int)>& progress) {
  ThreadPool pool(available_processors());
  std::mutex mutex;
  std::exception_ptr failure;
  int done = 0;
  pool.run(static_cast<int>(pictures.size()), [&](int task, int /*worker*/) {
    try {
      if (const std::lock_guard lock(mutex); failure) return;
      write_picture(pictures[static_cast<std::size_t>(task)], size);
      const std::lock_guard lock(mutex);
      if (!failure) progress(++done);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  });
  if (failure) std::rethrow_exception(failure);
}

void check(const std::string& directory, const ShapesOptions& options) {
  const auto check_range = [](const char* field, int value, int least, int most) {
    if (value >= least && value <= most) return;
    fail(ErrorCode::kInvalidArgument, "shapes", "{}: {} is not between {} and {}", field, value, least, most);
  };
  constexpr int kMost = 1'000'000;
  check_range("size", options.size, 16, 1024);
  check_range("train", options.train, static_cast<int>(shape_names().size()), kMost);
  check_range("val", options.val, 0, kMost);
  std::error_code error;
  if (fs::exists(directory, error) && !(fs::is_directory(directory, error) && fs::is_empty(directory, error))) {
    fail(ErrorCode::kInvalidArgument, directory, "there is something already; choose another place or remove it");
  }
}

// Removed when the scope ends, with what commit() has not put under its name: beside a directory that is not there yet,
// inside one that is, which may be a mount and stays as it is.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(const std::string& name)
      : name_(name.substr(0, name.find_last_not_of('/') + 1)),
        inside_(fs::exists(name)),
        path_(temporary_name_beside(inside_ ? name_ / "data" : name_)) {
    fs::create_directories(path_);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }

  const fs::path& path() const { return path_; }
  void commit() {
    if (!inside_) return fs::rename(path_, name_);
    for (const auto& entry : fs::directory_iterator(path_)) fs::rename(entry.path(), name_ / entry.path().filename());
  }

 private:
  fs::path name_;
  bool inside_;
  fs::path path_;
};

}  // namespace

void make_shapes(const std::string& directory, const ShapesOptions& options, const std::function<void(int)>& progress) {
  check(directory, options);
  try {
    TemporaryDirectory temporary(directory);
    std::vector<Picture> pictures;
    plan_part(temporary.path() / "train", options.train, options.seed, 0, pictures);
    plan_part(temporary.path() / "val", options.val, options.seed, 1, pictures);
    write_pictures(pictures, options.size, progress);
    temporary.commit();
  } catch (const fs::filesystem_error& error) {
    fail(ErrorCode::kIo, directory, "cannot write: {}", error.code().message());
  }
}

}  // namespace resnet
