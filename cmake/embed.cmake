# resnet_embed(TARGET file...): the bytes of files become part of a library. `Some-name.ext` is there as
# `std::string_view some_name_ext() noexcept` in namespace resnet; a header of the room declares it.
#
# Also the script that writes such a source: cmake -DIN=file -DOUT=file.cc -P embed.cmake
if(CMAKE_SCRIPT_MODE_FILE)
  get_filename_component(symbol ${IN} NAME)
  string(REGEX REPLACE "[.-]" "_" symbol ${symbol})
  string(TOLOWER ${symbol} symbol)
  file(READ ${IN} bytes HEX)
  string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  file(WRITE ${OUT} "#include <string_view>

namespace resnet {
namespace {
constexpr unsigned char kBytes[] = {
${bytes}
};
}  // namespace
std::string_view ${symbol}() noexcept;
std::string_view ${symbol}() noexcept { return {reinterpret_cast<const char*>(kBytes), sizeof(kBytes)}; }
}  // namespace resnet
")
  return()
endif()

set(RESNET_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
function(resnet_embed target)
  foreach(file ${ARGN})
    get_filename_component(name ${file} NAME)
    get_filename_component(file ${file} ABSOLUTE BASE_DIR ${PROJECT_SOURCE_DIR})
    set(source ${PROJECT_BINARY_DIR}/embedded/${name}.cc)
    add_custom_command(OUTPUT ${source} DEPENDS ${file} ${RESNET_EMBED_SCRIPT}
                       COMMAND ${CMAKE_COMMAND} -DIN=${file} -DOUT=${source} -P ${RESNET_EMBED_SCRIPT})
    target_sources(${target} PRIVATE ${source})
    set_source_files_properties(${source} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  endforeach()
endfunction()
