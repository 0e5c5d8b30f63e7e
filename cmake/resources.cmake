# Files that the program carries inside itself: fovea/<floor>/resources/* becomes `extern const std::string_view` objects.
# A resource fovea/report/resources/page.css is reached as fovea::resource("report/page.css"), declared in fovea/base/resource.h.
file(GLOB FOVEA_RESOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/fovea/*/resources/*)
set(resource_source ${PROJECT_BINARY_DIR}/generated/resources.cpp)
add_custom_command(OUTPUT ${resource_source}
  COMMAND ${CMAKE_COMMAND} "-DOUT=${resource_source}" "-DROOT=${PROJECT_SOURCE_DIR}/fovea" "-DFILES=${FOVEA_RESOURCES}"
          -P ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
  DEPENDS ${FOVEA_RESOURCES} ${PROJECT_SOURCE_DIR}/cmake/embed.cmake VERBATIM)
target_sources(fovea PRIVATE ${resource_source})
