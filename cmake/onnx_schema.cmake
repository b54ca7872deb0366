# onnx_schema: the classes of the ONNX schema, made by protoc from the file that the system's ONNX package installs.
# Headers are included as <onnx_schema/onnx.pb.h>.
find_file(ONNX_PROTO onnx/onnx.proto REQUIRED)  # Debian: libonnx-dev
set(schema ${PROJECT_BINARY_DIR}/generated/onnx_schema)
file(MAKE_DIRECTORY ${schema})
get_filename_component(onnx_proto_folder ${ONNX_PROTO} DIRECTORY)
add_custom_command(
  OUTPUT ${schema}/onnx.pb.h ${schema}/onnx.pb.cc
  COMMAND protobuf::protoc --cpp_out=${schema} --proto_path=${onnx_proto_folder} ${ONNX_PROTO}
  DEPENDS ${ONNX_PROTO}
  VERBATIM)
add_library(onnx_schema STATIC ${schema}/onnx.pb.cc ${schema}/onnx.pb.h)
target_include_directories(onnx_schema SYSTEM PUBLIC ${PROJECT_BINARY_DIR}/generated PRIVATE ${schema})
target_link_libraries(onnx_schema PUBLIC protobuf::libprotobuf-lite)
target_compile_options(onnx_schema PRIVATE -w)  # not our code
