// Files that stand inside the program: the page and the description of the API.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "serve/http.h"

namespace resnet {
std::string_view serve_page_html() noexcept;
std::string_view serve_page_css() noexcept;
std::string_view serve_page_js() noexcept;
std::string_view serve_graphs_js() noexcept;
std::string_view serve_openapi_json() noexcept;
std::string_view open_inference_desc() noexcept;  // sets of descriptors (google.protobuf.FileDescriptorSet)
std::string_view grpc_health_desc() noexcept;
std::string_view grpc_reflection_desc() noexcept;
}  // namespace resnet

namespace resnet::serve {

// The page at "/", its style and its scripts, with headers that let it fetch from this server alone.
std::optional<HttpResponse> page_asset(std::string_view path);

}  // namespace resnet::serve
