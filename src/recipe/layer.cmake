find_package(tomlplusplus REQUIRED)
get_target_property(toml_include tomlplusplus::tomlplusplus INTERFACE_INCLUDE_DIRECTORIES)
target_include_directories(minke_recipe SYSTEM PRIVATE ${toml_include})  # not its library: recipe/toml_parser.h
