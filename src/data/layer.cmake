find_package(ZLIB REQUIRED)
find_path(ZSTD_INCLUDE_DIR zstd.h REQUIRED)
find_library(ZSTD_LIBRARY zstd REQUIRED)
target_include_directories(minke_data PRIVATE ${ZSTD_INCLUDE_DIR})
target_link_libraries(minke_data PRIVATE ZLIB::ZLIB ${ZSTD_LIBRARY})
# g++ 12 reports overlapping copies in std::string operator+ that are not there (GCC bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(minke_data PRIVATE -Wno-restrict)
endif()
