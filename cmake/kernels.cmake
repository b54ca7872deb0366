# Which kernels are built (base/isa.h), and with which flags: one file for each instruction set beyond what every
# processor of its kind has. What is not known here runs on the generic ones.
set(kernels_of_processor "")
if(RESNET_KERNELS STREQUAL generic)
  add_compile_definitions(RESNET_GENERIC_KERNELS)
elseif(NOT RESNET_KERNELS STREQUAL auto)
  message(FATAL_ERROR "RESNET_KERNELS is '${RESNET_KERNELS}', not auto or generic")
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
  set(kernels_of_processor x64)
endif()

# Words of panels hold values of several types: no strict aliasing.
set(kernel_flags -O2 -fno-exceptions -fno-tree-slp-vectorize -fno-strict-aliasing)
if(RESNET_SANITIZE MATCHES undefined)
  # Three quarters of the time to compile; emulated_kernels_test.cc and kernels_ref.cc keep the same code under it.
  list(APPEND kernel_flags -fno-sanitize=undefined)
endif()
function(resnet_kernel_flags source)
  set_source_files_properties(${PROJECT_SOURCE_DIR}/src/kernels/${source} PROPERTIES COMPILE_OPTIONS "${kernel_flags};${ARGN}")
endfunction()

set(avx512 -mavx2 -mfma -mavx512f -mavx512vl -mavx512bw -mavx512dq)
resnet_kernel_flags(x64/kernels_avx2.cc -mavx2 -mfma)
resnet_kernel_flags(x64/kernels_avx2_training.cc -mavx2 -mfma)
resnet_kernel_flags(x64/kernels_avx512.cc ${avx512})
resnet_kernel_flags(x64/kernels_avx512_training.cc ${avx512})
resnet_kernel_flags(x64/kernels_avx512_vnni.cc ${avx512} -mavx512vnni)
resnet_kernel_flags(x64/kernels_avx512_bf16.cc ${avx512} -mavx512bf16)
set_source_files_properties(${PROJECT_SOURCE_DIR}/src/kernels/emulated_kernels_test.cc PROPERTIES
  COMPILE_OPTIONS "-O1;-fno-strict-aliasing" SKIP_PRECOMPILE_HEADERS ON)
