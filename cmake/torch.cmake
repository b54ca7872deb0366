# LibTorch, for src/train alone: the target resnet_libtorch, where it is found. RESNET_TORCH names the directory of a
# LibTorch archive or of an installed torch package, or is OFF; else the wheel in .venv serves.
set(RESNET_TORCH "" CACHE STRING "Directory of LibTorch 2.x (default: the wheel in .venv), or OFF")

function(resnet_find_torch)
  set(place ${RESNET_TORCH})
  if(place STREQUAL OFF)
    return()
  endif()
  if(place)
    get_filename_component(place ${place} ABSOLUTE)
  else()
    file(GLOB place ${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch)
  endif()
  if(NOT place)
    message(STATUS "LibTorch is not here: resnet train learns with its own kernels (make TORCH=DIR names it)")
    return()
  endif()
  set(RESNET_TORCH_FOUND ${place} CACHE INTERNAL "LibTorch that the trainer is built with")
  set(CMAKE_MESSAGE_LOG_LEVEL ERROR)  # it warns of static libraries that shared ones do not need
  set(Torch_DIR ${place}/share/cmake/Torch)
  find_package(Torch 2.0 CONFIG REQUIRED)

  # Its folder of headers holds other libraries' too, an own fmt among them: it is searched last, so that ours are found
  # first.
  foreach(target torch torch_library torch_cpu torch_cuda c10 c10_cuda)
    if(TARGET ${target})
      set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "")
    endif()
  endforeach()
  find_path(RESNET_GLOO gloo/algorithm.h PATHS ${TORCH_INCLUDE_DIRS})
  if(NOT RESNET_GLOO)
    message(FATAL_ERROR "LibTorch is here, but not Gloo's headers: install libgloo-dev, or say -DRESNET_TRAIN=OFF")
  endif()
  find_package(OpenMP REQUIRED)  # at::parallel_for is serial without
  add_library(resnet_libtorch INTERFACE)
  separate_arguments(flags UNIX_COMMAND "${TORCH_CXX_FLAGS}")  # the ABI of std::string, where it is not the default
  foreach(directory ${TORCH_INCLUDE_DIRS})
    list(APPEND flags "SHELL:-idirafter ${directory}")
  endforeach()
  # Its flags, not its target: the library at run time is LibTorch's own, where that has one.
  separate_arguments(openmp UNIX_COMMAND "${OpenMP_CXX_FLAGS}")
  target_compile_options(resnet_libtorch INTERFACE ${flags} ${openmp})
  target_link_options(resnet_libtorch INTERFACE ${openmp})
  target_link_libraries(resnet_libtorch INTERFACE ${TORCH_LIBRARIES})
endfunction()

# Targets that include <torch/torch.h>, which takes most of their time to compile, share one precompiled header. ccache
# does not hold such headers, and with them would compile everything twice.
function(resnet_precompiled_torch target)
  set_target_properties(${target} PROPERTIES CXX_COMPILER_LAUNCHER "" UNITY_BUILD OFF)
  if(target STREQUAL resnet_train)
    target_precompile_headers(${target} PRIVATE <torch/torch.h>)
  else()
    target_precompile_headers(${target} REUSE_FROM resnet_train)
    # The header was compiled for an optimised library: an executable's units must be compiled likewise.
    get_target_property(options ${target} COMPILE_OPTIONS)
    list(REMOVE_ITEM options -O0)
    list(APPEND options -fPIC)
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF COMPILE_OPTIONS "${options}")
  endif()
endfunction()
