# A room is a folder below src/: its *.cc files make a library, its *_test.cc and *_test.c files one test program.
#
#   resnet_room(NAME [HEADERS header...] [USES room...] [LINK target...] [PROGRAM target] [PARTS folder...])
#
# HEADERS names the files in include/resnet that are this room's. USES names the rooms it may know; the linker passes
# what they may know along. LINK names third-party libraries. PARTS names folders of the room whose files belong to it as
# well. A file named *_benchmark.cc makes a program of its own beside the tests, which times the room. A room with PROGRAM
# has a main.cc, which makes an executable with the rest of the room.
# Tests carry the label `unit`, and the room's name; a file named *_parity_test.cc also `parity`, and so on
# for property, concurrency (also run under ThreadSanitizer) by a prefix of the test suite's name:
# Parity*, Property*, Concurrency*.
function(resnet_room name)
  cmake_parse_arguments(ROOM "" "PROGRAM" "HEADERS;USES;LINK;PARTS" ${ARGN})
  string(REPLACE "/" "_" id ${name})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cc ${PROJECT_SOURCE_DIR}/src/${name}/*_test.c)
  foreach(part ${ROOM_PARTS})
    file(GLOB files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/${part}/*.cc)
    list(APPEND sources ${files})
  endforeach()
  set(tests ${sources})
  set(benchmarks ${sources})
  list(FILTER sources EXCLUDE REGEX "_(test|benchmark)\\.cc?$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc?$")
  list(FILTER benchmarks INCLUDE REGEX "_benchmark\\.cc$")
  set(uses "")
  foreach(room ${ROOM_USES})
    string(REPLACE "/" "_" room ${room})
    list(APPEND uses resnet_${room})
  endforeach()

  list(FILTER sources EXCLUDE REGEX "/main\\.cc$")
  if(sources)
    add_library(resnet_${id} STATIC ${sources})
    set(target resnet_${id})
  else()
    add_library(resnet_${id} INTERFACE)
  endif()
  set_target_properties(resnet_${id} PROPERTIES
    ROOM_LINK "${ROOM_LINK}" ROOM_USES "${ROOM_USES}" ROOM_HEADERS "${ROOM_HEADERS}")
  if(NOT sources)
    target_link_libraries(resnet_${id} INTERFACE ${uses} ${ROOM_LINK})
    return()
  endif()
  target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(${target} PUBLIC ${uses} ${ROOM_LINK})
  if(ROOM_PROGRAM)
    add_executable(${ROOM_PROGRAM} ${PROJECT_SOURCE_DIR}/src/${name}/main.cc)
    target_link_libraries(${ROOM_PROGRAM} PRIVATE ${target})
    set_target_properties(${target} PROPERTIES UNITY_BUILD OFF)  # each command has its Options
  endif()

  if(RESNET_TESTS)
    foreach(benchmark ${benchmarks})
      get_filename_component(stem ${benchmark} NAME_WE)
      add_executable(${stem} ${benchmark})
      target_link_libraries(${stem} PRIVATE ${target})
    endforeach()
  endif()
  if(RESNET_TESTS AND tests)
    add_executable(${id}_test ${tests})
    target_link_libraries(${id}_test PRIVATE ${target} GTest::gtest_main GTest::gmock)
    target_compile_definitions(${id}_test PRIVATE RESNET_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    set_target_properties(${id}_test PROPERTIES UNITY_BUILD OFF)  # names of helpers repeat
    target_compile_options(${id}_test PRIVATE -O0)  # little more than half the time to compile
    if(RESNET_SANITIZE)
      target_compile_definitions(${id}_test PRIVATE RESNET_SANITIZED)
      resnet_precompiled_gtest(${id}_test)
    endif()
    foreach(kind Parity Property Concurrency)
      string(TOLOWER ${kind} label)
      gtest_discover_tests(${id}_test TEST_FILTER "${kind}*" NO_PRETTY_VALUES TEST_PREFIX ${id}.
                           PROPERTIES LABELS "${label};${id}" TIMEOUT 600
                           TEST_LIST ${id}_${label}_tests DISCOVERY_TIMEOUT 60)
    endforeach()
    gtest_discover_tests(${id}_test TEST_FILTER "-Parity*:Property*:Concurrency*" NO_PRETTY_VALUES TEST_PREFIX ${id}.
                         PROPERTIES LABELS "unit;${id}" TIMEOUT 600
                         TEST_LIST ${id}_unit_tests DISCOVERY_TIMEOUT 60)
  endif()
endfunction()

# GoogleTest's headers, compiled once for the tests of all rooms: half of what a small test takes. Where a build is made
# from nothing, that is; ccache does not share such headers between folders.
function(resnet_precompiled_gtest target)
  if(NOT TARGET gtest_headers)
    file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/gtest_headers.cc CONTENT "int main() {}\n")
    add_executable(gtest_headers EXCLUDE_FROM_ALL ${PROJECT_BINARY_DIR}/gtest_headers.cc)
    target_link_libraries(gtest_headers PRIVATE GTest::gmock fmt::fmt)
    target_compile_options(gtest_headers PRIVATE -O0)
    target_precompile_headers(gtest_headers PRIVATE <gmock/gmock.h> <gtest/gtest.h> <fmt/format.h>)
  endif()
  target_precompile_headers(${target} REUSE_FROM gtest_headers)
endfunction()

# resnet_library(NAME ROOMS room... [ON library] [EXCEPT target...]): one archive of the objects of the rooms named, for
# other programs. It carries their public headers and, for the linker, what they LINK, but the targets EXCEPT; nothing of
# the rooms themselves is seen by who uses it. Whatever a room uses must be named too, or be in the library that it stands
# ON.
function(resnet_library name)
  cmake_parse_arguments(LIBRARY "" "ON" "ROOMS;EXCEPT" ${ARGN})
  set(below "")
  if(LIBRARY_ON)
    get_target_property(below ${LIBRARY_ON} LIBRARY_ROOMS)
  endif()
  set(objects "")
  set(headers "")
  set(link ${LIBRARY_ON})
  foreach(room ${LIBRARY_ROOMS})
    string(REPLACE "/" "_" id ${room})
    get_target_property(type resnet_${id} TYPE)
    if(NOT type STREQUAL INTERFACE_LIBRARY)
      list(APPEND objects $<TARGET_OBJECTS:resnet_${id}>)
    endif()
    get_property(uses TARGET resnet_${id} PROPERTY ROOM_USES)
    list(REMOVE_ITEM uses ${LIBRARY_ROOMS} ${below})
    if(uses)
      message(FATAL_ERROR "${name} holds ${room}, which uses ${uses}, but not that")
    endif()
    get_property(room_headers TARGET resnet_${id} PROPERTY ROOM_HEADERS)
    list(TRANSFORM room_headers PREPEND ${PROJECT_SOURCE_DIR}/include/resnet/)
    list(APPEND headers ${room_headers})
    get_property(room_link TARGET resnet_${id} PROPERTY ROOM_LINK)
    list(APPEND link ${room_link})
  endforeach()
  list(REMOVE_DUPLICATES link)
  list(REMOVE_ITEM link nlohmann_json::nlohmann_json ${LIBRARY_EXCEPT})  # the former is headers only: compiled in
  add_library(${name} STATIC ${objects})
  set_target_properties(${name} PROPERTIES LIBRARY_ROOMS "${below};${LIBRARY_ROOMS}")
  target_sources(${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/include FILES ${headers})
  target_compile_features(${name} PUBLIC cxx_std_20)
  target_link_libraries(${name} PRIVATE ${link})
endfunction()
