find_package(tomlplusplus REQUIRED)
target_link_libraries(minke_train PRIVATE tomlplusplus::tomlplusplus)
