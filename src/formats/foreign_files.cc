#include "formats/foreign_files.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <string_view>

#include "base/error.h"
#include "base/text.h"

namespace resnet {
namespace {

constexpr std::size_t kLooked = 4096;  // bytes of a file's beginning

// What is said of models that other programs made.
constexpr std::string_view kOther =
    "give the PyTorch or safetensors file that it was made of, or export its weights to one";

constexpr std::string_view kOnnx =
    "which is not read: give the PyTorch or safetensors file that it was made of; `resnet export` writes ONNX";

struct Mark {
  std::size_t at;
  std::string_view bytes;
  std::string_view what;
};

using namespace std::string_view_literals;

constexpr std::string_view kPicture = "is a picture, not a model: the model comes first, then the pictures";

constexpr std::array<Mark, 30> kMarks = {{
    {0, "version https://git-lfs.github.com/spec/"sv,
     "is a Git LFS pointer, not the file itself: run 'git lfs pull' in its repository, or download the file"},
    {0, "\x89HDF\r\n\x1a\n"sv, "is an HDF5 file (.h5, as Keras writes them): convert its weights to safetensors"},
    {0, "GGUF"sv, "is a GGUF file (llama.cpp)"},
    {0, "lmgg"sv, "is a GGML file (llama.cpp)"},
    {0, "tjgg"sv, "is a GGML file (llama.cpp)"},
    {0, "fmgg"sv, "is a GGML file (llama.cpp)"},
    {4, "TFL3"sv, "is a TensorFlow Lite model"},
    {0, "model_checkpoint_path:"sv, "names the checkpoints of a TensorFlow run"},
    {0, "MATLAB 5.0 MAT-file"sv, "is a MATLAB file"},
    {0, "MATLAB 7.3 MAT-file"sv, "is a MATLAB file"},
    {0, "\x12\x01\0\0\0\0\0\0"sv, "is an MXNet file (.params)"},
    {0, "\x93NUMPY"sv, "is a single array of NumPy (.npy): save all weights by their names with numpy.savez()"},
    {0, "\x1f\x8b"sv, "is packed by gzip: run 'gunzip' on it, or 'tar xf' where it is a .tar.gz"},
    {0,
     "\xfd"
     "7zXZ\0"sv,
     "is packed by xz: run 'unxz' on it, or 'tar xf' where it is a .tar.xz"},
    {0, "\x28\xb5\x2f\xfd"sv, "is packed by Zstandard: run 'unzstd' on it, or 'tar xf' where it is a .tar.zst"},
    {0, "BZh"sv, "is packed by bzip2: run 'bunzip2' on it, or 'tar xf' where it is a .tar.bz2"},
    {0, "\x04\x22\x4d\x18"sv, "is packed by lz4: run 'unlz4' on it"},
    {0, "7z\xbc\xaf\x27\x1c"sv, "is a 7z archive: unpack it and give the file inside"},
    {0, "Rar!\x1a\x07"sv, "is a RAR archive: unpack it and give the file inside"},
    {0, "PK\x05\x06"sv, "is an empty zip archive"},
    {0, "\xff\xd8\xff"sv, kPicture},
    {0, "\x89PNG\r\n\x1a\n"sv, kPicture},
    {8, "WEBPVP8"sv, kPicture},
    {0, "GIF8"sv, kPicture},
    {0, "II*\0"sv, kPicture},
    {0, "MM\0*"sv, kPicture},
    {0, "%PDF-"sv, "is a PDF document"},
    {0,
     "\x7f"
     "ELF"sv,
     "is a program, not a model"},
    {0, "#!"sv, "is a script, not a model: give the file of weights that it loads"},
    {0, "SQLite format 3\0"sv, "is an SQLite database"},
}};

struct Ending {
  std::string_view ending;
  std::string_view what;
};

// Of formats that begin with anything.
constexpr std::array<Ending, 17> kEndings = {{
    {".onnx", "is an ONNX model"},
    {".pb", "is a TensorFlow graph"},
    {".tflite", "is a TensorFlow Lite model"},
    {".index", "is the index of a TensorFlow checkpoint"},
    {".meta", "is the graph of a TensorFlow checkpoint"},
    {".mlmodel", "is a Core ML model"},
    {".caffemodel", "is a Caffe model"},
    {".t7", "is a file of Lua Torch"},
    {".engine", "is a TensorRT engine"},
    {".plan", "is a TensorRT engine"},
    {".msgpack", "is a Flax checkpoint"},
    {".py", "is Python source, not a model: give the file of weights that it loads"},
    {".yaml", "is YAML (a configuration?): give the file of weights that it belongs to"},
    {".yml", "is YAML (a configuration?): give the file of weights that it belongs to"},
    {".toml", "is TOML (a recipe?): give the file of weights that it belongs to"},
    {".ipynb", "is a notebook, not a model: give the file of weights that it loads"},
    {".csv", "is a table, not a model"},
}};

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

// The advice is left out where the text gives one.
std::string with_advice(std::string_view what) {
  if (what.find(": ") != std::string_view::npos) return std::string(what);
  if (what.starts_with("is an ONNX model")) return fmt::format("{}, {}", what, kOnnx);
  return fmt::format("{}, which is not read: {}", what, kOther);
}

bool all_zero(const CheckedFile& file) {
  std::array<std::byte, kLooked> buffer;
  for (std::size_t at = 0; at < file.size(); at += buffer.size()) {
    const std::span<std::byte> part = std::span(buffer).first(std::min(buffer.size(), file.size() - at));
    file.copy(file.range().subspan(at, part.size()), part);
    if (!std::ranges::all_of(part, [](std::byte byte) { return byte == std::byte{0}; })) return false;
  }
  return true;
}

// An ONNX model is a protocol buffer: its version, then who made it, as text.
bool looks_like_onnx(std::string_view text) {
  constexpr int kMostVersions = 64;
  if (text.size() < 8 || text[0] != 8 || text[1] < 1 || text[1] > kMostVersions || text[2] != 0x12) return false;
  const auto length = static_cast<unsigned char>(text[3]);
  if (length == 0 || length > 100 || text.size() < 4U + length) return false;
  return std::ranges::all_of(text.substr(4, length), [](unsigned char c) { return std::isprint(c) != 0; });
}

// What a text is that begins so; nothing where it is no text.
std::optional<std::string> foreign_text(std::string_view text, bool whole) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) text.remove_prefix(1);
  if (text.empty()) return std::nullopt;
  const std::string begin = lower(text.substr(0, 1024));
  if (begin.starts_with("<!doctype html") || begin.starts_with("<html") || begin.starts_with("<head")) {
    return "is an HTML page, not a model: the site answered with a page (a login, a licence, an error); download the "
           "file "
           "itself";
  }
  if (begin.starts_with("<")) {
    if (begin.find("<net ") != std::string::npos) {
      return with_advice("is the description of an OpenVINO model (.xml)");
    }
    return "is XML, not a model: a server's error? Look at it with 'head', and download the file anew";
  }
  constexpr std::size_t kRest = 4;  // the last character may be cut off
  const std::size_t valid = valid_utf8_prefix(text);
  const bool control = std::ranges::any_of(
      text.substr(0, valid), [](unsigned char c) { return c < 0x20 && std::isspace(c) == 0 && c != 0x1B; });
  const bool plain = valid + (whole ? 0 : kRest) >= text.size() && !control;
  if (!plain) return std::nullopt;
  if (text[0] == '{' || text[0] == '[') {
    return "is JSON (a configuration, or an index of shards?): give the file of weights that it belongs to";
  }
  if (begin.starts_with("import ") || begin.starts_with("from ") || begin.starts_with("\"\"\"")) {
    return "is Python source, not a model: give the file of weights that it loads";
  }
  constexpr std::size_t kShown = 40;
  return fmt::format("is text, not a model; it begins with '{}'", one_line(text.substr(0, text.find('\n')), kShown));
}

}  // namespace

std::optional<std::string> foreign_file(const CheckedFile& file, const std::string& path) {
  const std::span<const std::byte> bytes = file.load(file.range().first(std::min(file.size(), kLooked)));
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.empty()) return std::nullopt;
  for (const Mark& mark : kMarks) {
    if (text.size() > mark.at && text.substr(mark.at).starts_with(mark.bytes)) return with_advice(mark.what);
  }
  if (text[0] == '\0' && all_zero(file)) {
    return fmt::format("is {} zero bytes: the download or the copy did not finish; fetch it anew", file.size());
  }
  const std::string name = lower(path);
  if (name.find(".data-0") != std::string::npos) return with_advice("is the data of a TensorFlow checkpoint");
  for (const Ending& known : kEndings) {
    if (name.ends_with(known.ending)) return with_advice(known.what);
  }
  if (looks_like_onnx(text)) return with_advice("is an ONNX model, by its first bytes");
  std::error_code error;
  if (name.ends_with(".bin") && std::filesystem::exists(path.substr(0, path.size() - 4) + ".xml", error)) {
    return with_advice("is the weights of an OpenVINO model, whose .xml stands beside it");
  }
  return foreign_text(text, bytes.size() == file.size());
}

std::string foreign_archive(const ZipArchive& archive) {
  const auto find = [&](std::string_view ending) {
    return std::ranges::find_if(archive.entries(), [&](const ZipEntry& entry) {
      return entry.name != "data.pkl" && lower(entry.name).ends_with(ending);
    });
  };
  const auto none = archive.entries().end();
  if (find("model.weights.h5") != none) return with_advice("is a model of Keras (.keras)");
  if (find("com.apple.coreml/model.mlmodel") != none) return with_advice("is a Core ML package");
  if (find("saved_model.pb") != none) return with_advice("is a zip archive with a TensorFlow model");
  for (const std::string_view ending :
       {".safetensors", ".pth", ".pt", ".th", ".ckpt", ".tar", ".pkl", ".npz", ".bin"}) {
    if (const auto found = find(ending); found != none) {
      return fmt::format("a zip archive with '{}' in it: unpack it and give that file", one_line(found->name));
    }
  }
  return "a zip archive without data.pkl: not one of PyTorch";
}

}  // namespace resnet
