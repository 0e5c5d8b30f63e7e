# oneDNN as the target fovea_onednn. Debian's own CMake package of it asks for OpenCL's headers, which nothing here needs.
find_path(FOVEA_ONEDNN_INCLUDE dnnl.hpp REQUIRED)
find_library(FOVEA_ONEDNN_LIBRARY dnnl REQUIRED)
add_library(fovea_onednn INTERFACE IMPORTED)
target_include_directories(fovea_onednn INTERFACE ${FOVEA_ONEDNN_INCLUDE})
target_link_libraries(fovea_onednn INTERFACE ${FOVEA_ONEDNN_LIBRARY})
