# Our own minimal .proto files become C++ (lite runtime) in the build folder.
file(GLOB FOVEA_PROTOS CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/fovea/formats/*.proto)
foreach(proto ${FOVEA_PROTOS})
  get_filename_component(stem ${proto} NAME_WE)
  set(out ${PROJECT_BINARY_DIR}/generated/${stem}.pb)
  add_custom_command(OUTPUT ${out}.cc ${out}.h
    COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/generated
    COMMAND protobuf::protoc --cpp_out=${PROJECT_BINARY_DIR}/generated -I ${PROJECT_SOURCE_DIR}/fovea/formats ${proto}
    DEPENDS ${proto} VERBATIM)
  target_sources(fovea PRIVATE ${out}.cc)
  set_source_files_properties(${out}.cc PROPERTIES COMPILE_OPTIONS -w)
endforeach()
target_include_directories(fovea SYSTEM PRIVATE ${PROJECT_BINARY_DIR}/generated)
