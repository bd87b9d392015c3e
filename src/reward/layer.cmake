find_package(PkgConfig REQUIRED)
pkg_check_modules(gmpxx REQUIRED IMPORTED_TARGET gmpxx)  # integers of any size, for exact fractions
target_link_libraries(minke_reward PRIVATE PkgConfig::gmpxx)
