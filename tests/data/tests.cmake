target_include_directories(test_data PRIVATE ${ZSTD_INCLUDE_DIR})
target_link_libraries(test_data PRIVATE ZLIB::ZLIB ${ZSTD_LIBRARY})
