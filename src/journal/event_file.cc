#include "journal/event_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/input_file.h"
#include "journal/crc32c.h"

namespace resnet {
namespace {

// Protobuf's wire format (https://protobuf.dev/programming-guides/encoding): a key of field number and type, then the
// value.
enum WireType { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

template <typename Value>
void put_fixed(std::string& out, Value value) {
  char bytes[sizeof(value)];
  std::memcpy(bytes, &value, sizeof(value));
  out.append(bytes, sizeof(value));
}

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void put_key(std::string& out, int field, WireType type) {
  put_varint(out, static_cast<std::uint64_t>(field) << 3 | static_cast<std::uint64_t>(type));
}

void put_bytes(std::string& out, int field, std::string_view bytes) {
  put_key(out, field, kBytes);
  put_varint(out, bytes.size());
  out += bytes;
}

std::string event_now() {
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  std::string event;
  put_key(event, 1, kFixed64);  // wall_time
  put_fixed(event, now.count());
  return event;
}

void put_step(std::string& event, std::int64_t step) {
  put_key(event, 2, kVarint);
  put_varint(event, static_cast<std::uint64_t>(step));
}

std::uint32_t masked_crc(std::string_view text) {
  const std::uint32_t crc = crc32c(0, std::as_bytes(std::span(text.data(), text.size())));
  return std::rotr(crc, 15) + 0xA282EAD8U;
}

}  // namespace

EventFile::EventFile(const std::string& directory, std::int64_t first_step) {
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  path_ = fmt::format("{}/events.out.tfevents.{:.6f}.{}", directory, now.count(), ::getpid());
  descriptor_ = open_descriptor(path_, O_WRONLY | O_CREAT | O_EXCL | O_APPEND).release();
  if (descriptor_ < 0) fail(ErrorCode::kIo, path_, "cannot write: {}", std::strerror(errno));
  std::string version = event_now();
  put_bytes(version, 3, "brain.Event:2");  // file_version
  write_record(version);
  std::string start = event_now();
  put_step(start, first_step);
  std::string session;  // SessionLog
  put_key(session, 1, kVarint);
  put_varint(session, 1);  // status: START
  put_bytes(start, 7, session);
  write_record(start);
}

EventFile::~EventFile() { ::close(descriptor_); }

void EventFile::add(std::string_view tag, std::int64_t step, double value) {
  if (std::isnan(value)) return;
  std::string scalar;  // Summary.Value
  put_bytes(scalar, 1, tag);
  put_key(scalar, 2, kFixed32);  // simple_value
  put_fixed(scalar, static_cast<float>(value));
  std::string summary;
  put_bytes(summary, 1, scalar);
  std::string event = event_now();
  put_step(event, step);
  put_bytes(event, 5, summary);
  write_record(event);
}

void EventFile::write_record(const std::string& event) {
  std::string length;
  put_fixed(length, static_cast<std::uint64_t>(event.size()));
  std::string record = length;
  put_fixed(record, masked_crc(length));
  record += event;
  put_fixed(record, masked_crc(event));
  const ssize_t put = ::write(descriptor_, record.data(), record.size());
  if (put != static_cast<ssize_t>(record.size())) {
    fail(ErrorCode::kIo, path_, "cannot write: {}", put < 0 ? std::strerror(errno) : "the disk is full");
  }
}

}  // namespace resnet
