find_package(PkgConfig REQUIRED)
pkg_check_modules(libxxhash REQUIRED IMPORTED_TARGET libxxhash)  # names and checksums of the cache on disk
target_link_libraries(minke_infer PRIVATE PkgConfig::libxxhash)
