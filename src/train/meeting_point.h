// Where the processes of one machine meet, kept by the one that starts them.
#pragma once

#include <memory>

namespace resnet {

class MeetingPoint {
 public:
  // Listens on a free port of this machine. Throws kIo.
  MeetingPoint();
  MeetingPoint(const MeetingPoint&) = delete;
  MeetingPoint& operator=(const MeetingPoint&) = delete;
  ~MeetingPoint();

  int port() const noexcept;

 private:
  struct Server;
  std::unique_ptr<Server> server_;
};

}  // namespace resnet
