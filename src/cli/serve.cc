// resnet serve: runs the server, a program of its own, so that this one links neither TLS nor HTTP.
#include <filesystem>

#include "base/error.h"
#include "cli/beside.h"
#include "cli/command.h"

namespace resnet::cli {

void add_serve(Command& app) {
  Command* sub = app.add_subcommand("serve", "Serve models over HTTP and gRPC");
  sub->pass_arguments_on();
  sub->callback([sub] {
    const std::string server = program_beside("resnet-serve");
    if (!std::filesystem::exists(server)) {
      fail(ErrorCode::kNotFound, server, "the server is not there; it is installed beside this program");
    }
    run_beside(server, "serve", sub->remaining());
  });
}

}  // namespace resnet::cli
