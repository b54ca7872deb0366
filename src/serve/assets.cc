#include "serve/assets.h"

namespace resnet::serve {
namespace {

constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

}  // namespace

std::optional<HttpResponse> page_asset(std::string_view path) {
  std::string_view body;
  const char* type = "text/html; charset=utf-8";
  if (path == "/") {
    body = serve_page_html();
  } else if (path == "/page.css") {
    body = serve_page_css();
    type = "text/css; charset=utf-8";
  } else if (path == "/page.js" || path == "/graphs.js") {
    body = path == "/page.js" ? serve_page_js() : serve_graphs_js();
    type = "text/javascript; charset=utf-8";
  } else {
    return std::nullopt;
  }
  return HttpResponse{200,
                      {{"content-type", type},
                       {"content-security-policy", kPolicy},
                       {"x-content-type-options", "nosniff"},
                       {"referrer-policy", "no-referrer"},
                       {"cache-control", "no-cache"}},
                      std::string(body)};
}

}  // namespace resnet::serve
