// TensorBoard's event files: scalars over steps, as `tensorboard --logdir RUN` shows them.
//
// A file is a list of records: length (8 bytes, little endian), its masked CRC-32C, a protobuf message `Event`, its
// masked CRC-32C (tensorflow/core/lib/io/record_writer.h; event.proto and summary.proto for the fields).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace resnet {

class EventFile {
 public:
  // Makes a file of its own in `directory`: TensorBoard shows all files of a folder as one run. What other files of the
  // folder say about steps from `first_step` on is taken back. Throws kIo.
  EventFile(const std::string& directory, std::int64_t first_step);
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;
  ~EventFile();

  // What is not a number is left out. Throws kIo.
  void add(std::string_view tag, std::int64_t step, double value);

 private:
  void write_record(const std::string& event);

  std::string path_;
  int descriptor_ = -1;
};

}  // namespace resnet
