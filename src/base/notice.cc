#include "base/notice.h"

#include <atomic>

namespace resnet {
namespace {

std::atomic<NoticeHandler> handler = nullptr;

}  // namespace

void set_notice_handler(NoticeHandler new_handler) noexcept { handler = new_handler; }

void notice(const std::string& line) {
  if (const NoticeHandler tell = handler) tell(line);
}

}  // namespace resnet
