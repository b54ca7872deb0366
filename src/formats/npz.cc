#include "formats/npz.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "formats/file_values.h"
#include "formats/npy.h"
#include "formats/numpy_objects.h"
#include "formats/tensor_window.h"
#include "formats/zip_format.h"

namespace resnet {
namespace {

constexpr std::string_view kEnding = ".npy";

// What stands before an entry's values. Of a stored entry nothing else is read.
NpyHeader read_header(const ZipEntry& entry, const OwnedBytes& bytes, const CheckedFile& file,
                      const std::string& where) {
  if (entry.method != zip::kStored) return parse_npy_header(bytes.load(), where);
  constexpr std::size_t kBegin = 12;  // says how long the header is
  const auto part = [&](std::size_t size) {
    return file.load(file.range().subspan(entry.data_offset, std::min<std::size_t>(size, entry.packed_size)));
  };
  return parse_npy_header(part(npy_header_size(part(kBegin))), where);
}

void read_array(TensorFile& result, const std::string& name, const NpyHeader& header, OwnedBytes bytes,
                const std::string& path, const std::shared_ptr<MemoryBudget>& budget) {
  const std::string where = fmt::format("{}: tensor '{}'", path, one_line(name));
  const auto type = numpy_dtype(header.type);
  if (!type) {
    const std::span<const std::byte> values = bytes.bytes.subspan(header.size);
    if (values.size() <= 4 * kMaxTextFile) {
      const auto text =
          numpy_text_json(header.type, header.shape, OwnedBytes{values, bytes.owner}.load(), kMaxTextFile);
      if (text) return add_json(result, name, *text, where, *budget);
    }
    const std::string why = fmt::format("its values are of NumPy's type {}, which is not read", one_line(header.type));
    budget->charge(sizeof(OpaquePart) + name.size() + why.size(), "values of a file");
    result.opaque.push_back({name, "numpy.ndarray", why});
    return;
  }
  if (header.shape.size() > kMaxTensorRank) fail(ErrorCode::kLimit, where, "more than {} dimensions", kMaxTensorRank);
  TensorWindow window;
  window.dtype = *type;
  window.sizes = header.shape;
  window.strides = header.fortran ? fortran_strides(header.shape) : dense_strides(header.shape);
  bytes.bytes = bytes.bytes.subspan(header.size);
  Tensor tensor = open_window(window, bytes, budget, where);
  if (tensor.nbytes() != bytes.bytes.size()) {
    fail(ErrorCode::kFormat, where, "{} bytes of data, not what the array's shape says", bytes.bytes.size());
  }
  add_tensor(result, name, std::move(tensor), path, *budget);
}

}  // namespace

bool looks_like_npz(const ZipArchive& archive) noexcept {
  return !archive.entries().empty() &&
         std::ranges::all_of(archive.entries(), [](const ZipEntry& entry) { return entry.name.ends_with(kEnding); });
}

TensorFile read_npz(const ZipArchive& archive, const std::shared_ptr<const CheckedFile>& file, const std::string& path,
                    const std::shared_ptr<MemoryBudget>& budget) {
  TensorFile result;
  result.format = "npz";
  std::vector<const ZipEntry*> order;
  for (const ZipEntry& entry : archive.entries()) order.push_back(&entry);
  std::ranges::sort(order, {}, &ZipEntry::header_offset);
  for (const ZipEntry* entry : order) {
    const std::string name(entry->name.substr(0, entry->name.size() - kEnding.size()));
    const OwnedBytes bytes = archive.defer(*entry, budget);
    const std::string where = fmt::format("{}: entry '{}'", path, one_line(entry->name));
    read_array(result, name, read_header(*entry, bytes, *file, where), bytes, path, budget);
  }
  if (!result.tensors.empty()) result.containers.push_back({"", "dict", result.tensors.size()});
  return result;
}

}  // namespace resnet
